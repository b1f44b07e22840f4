// What a recurrent cell is: a plain struct with two functions.
//
//   struct MyCell {
//     struct State { Variable h, c; };   // or any other state, see state.h
//     State initial_state(const Variable& like, std::int64_t batch) const;
//     State step(const Variable& x, const State& state) const;
//   };
//
// `like` lends its tape and dtype, so that `return {zeros_like(like, {batch, hidden}), ...};` will
// do.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <unroll/nn/state.h>

namespace unroll::nn {

/// The state of a cell: what its initial_state returns.
template <class Cell>
using StateOf = std::remove_cvref_t<decltype(std::declval<const Cell&>().initial_state(
    std::declval<const Variable&>(), std::int64_t{}))>;

/// The cell has `State initial_state(const Variable& like, std::int64_t batch) const`.
template <class Cell>
concept HasInitialState = requires {
  typename StateOf<Cell>;
};

/// What initial_state returns is a Variable or a plain struct of Variables.
template <class Cell>
concept HasState = HasInitialState<Cell> && State<StateOf<Cell>>;

/// The cell has `State step(const Variable& x, const State& state) const`.
template <class Cell>
concept HasStep = requires(const Cell& cell, const Variable& x, const StateOf<Cell>& state) {
  { cell.step(x, state) } -> std::convertible_to<StateOf<Cell>>;
};

template <class Cell>
concept RecurrentCell = HasInitialState<Cell> && HasState<Cell> && HasStep<Cell>;

/// The cell also has `State step(const Variable& x, const State& state, const Variable& read)
/// const`: a step that computes with `read` in place of the state's output, while what it keeps of
/// the state is not changed. For cells whose output is their memory, like the GRU.
template <class Cell>
concept ReadsApart = RecurrentCell<Cell> &&
    requires(const Cell& cell, const Variable& x, const StateOf<Cell>& state) {
  { cell.step(x, state, x) } -> std::convertible_to<StateOf<Cell>>;
};

/// A step for the line `at`, which the cell gets as a last argument if it takes one.
template <RecurrentCell Cell>
StateOf<Cell> step_at(const Cell& cell, const Variable& x, const StateOf<Cell>& state,
                      const Location& at) {
  if constexpr (requires { cell.step(x, state, at); }) {
    return cell.step(x, state, at);
  } else {
    return cell.step(x, state);
  }
}

/// The same for a step that reads `read` in place of the state's output: the cell's own, or that of
/// a state with this output.
template <RecurrentCell Cell>
StateOf<Cell> step_reading(const Cell& cell, const Variable& x, const StateOf<Cell>& state,
                           const Variable& read, const Location& at) {
  if constexpr (!ReadsApart<Cell>) {
    return step_at(cell, x, with_output(state, read), at);
  } else if constexpr (requires { cell.step(x, state, read, at); }) {
    return cell.step(x, state, read, at);
  } else {
    return cell.step(x, state, read);
  }
}

/// What the cell begins one sequence with, on the tape it comes with: for the form of the state and
/// the shapes in it.
template <RecurrentCell Cell>
struct Beginning {
  Tape tape;
  StateOf<Cell> state;

  explicit Beginning(const Cell& cell, Dtype dtype = Dtype::float32)
      : tape({.training = false}), state(cell.initial_state(tape.constant(0, dtype, {1, 1}), 1)) {}
};

/// The last extent of the cell's output.
template <RecurrentCell Cell>
std::int64_t output_width(const Cell& cell) {
  const Shape shape = output_of(Beginning<Cell>(cell).state).shape();
  return shape[shape.rank() - 1];
}

}  // namespace unroll::nn
