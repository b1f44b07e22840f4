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

}  // namespace unroll::nn
