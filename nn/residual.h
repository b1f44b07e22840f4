// Residual    y = output of step(x, s) + x                                       (Wu et al. 2016)
#pragma once

#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

/// output + input. Throws ShapeError unless they have the same shape.
inline Variable residual_sum(const Variable& output, const Variable& input, const Location& at) {
  if (output.shape() != input.shape()) {
    throw ShapeError("residual connection: got the input " + to_string(input.shape()) +
                     " and the output " + to_string(output.shape()) + "; expected equal shapes");
  }
  return Operand(output, at) + input;
}

/// A cell that adds its input to its output; its own memory is as without. For the layers of a
/// StackedCell; a StackedRNN has it as an option.
template <RecurrentCell Cell>
struct Residual {
  struct State {
    StateOf<Cell> cell;
    Auxiliary sum;  ///< the last output, 0 before the first step
    Variable output() const { return sum.value; }
  };
  Cell cell;

  explicit Residual(Cell wrapped) : cell(std::move(wrapped)) {}

  State initial_state(const Variable& like, std::int64_t batch) const {
    const StateOf<Cell> state = cell.initial_state(like, batch);
    return {state, {zeros_like(like, output_of(state).shape())}};
  }
  /// Throws ShapeError unless the input is as wide as the output.
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return recorded_by_user(x, at, "Residual", [&]() -> State {
      const StateOf<Cell> next = step_at(cell, x, state.cell, at);
      return {next, {residual_sum(output_of(next), x, at)}};
    });
  }
};

}  // namespace unroll::nn
