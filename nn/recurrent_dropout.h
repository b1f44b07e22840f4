// RecurrentDropout    s' = step(x, s with m h in place of its output h)  (Gal and Ghahramani 2016)
// m holds 0, with probability `rate`, and 1 / (1 - rate), the same for all steps of a sequence.
#pragma once

#include <utility>

#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

/// A cell that, while training, does not see all of its own output. Other members of the state, an
/// LSTM's c, are not masked; neither is what a cell that ReadsApart keeps of its output. A state
/// that is carried on keeps its masks. Put Residual around this, not inside.
template <RecurrentCell Cell>
struct RecurrentDropout {
  struct State {
    StateOf<Cell> cell;
    Auxiliary mask;
  };
  Cell cell;
  double rate;

  /// Throws ValueError unless 0 <= dropout < 1.
  RecurrentDropout(Cell wrapped, double dropout) : cell(std::move(wrapped)), rate(dropout) {
    detail::expect_rate("RecurrentDropout", "dropout", dropout);
  }

  State initial_state(const Variable& like, std::int64_t batch) const {
    const StateOf<Cell> state = cell.initial_state(like, batch);
    // The cell may begin with one row for all sequences, but each has a mask of its own.
    const Variable output = output_of(state);
    return {state, {dropout_mask(zeros_like(output, output.shape().with(0, batch)), rate)}};
  }
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return step(x, state, output_of(state.cell), at);
  }
  State step(const Variable& x, const State& state, const Variable& read,
             Location at = Location::current()) const {
    return recorded_by_user(x, at, "RecurrentDropout", [&]() -> State {
      const Variable seen = in_training(read) ? Operand(read, at) * state.mask.value : read;
      return {step_reading(cell, x, state.cell, seen, at), state.mask};
    });
  }
};

}  // namespace unroll::nn
