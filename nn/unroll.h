// unroll: a cell, step by step over a batch of sequences. Everything a recurrent layer knows about
// time is here: directions and lengths. What steps have in common, like the product of all their
// inputs with one matrix, is found by the passes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <unroll/autograd/recorded.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/lengths.h>
#include <unroll/nn/parameter.h>
#include <unroll/nn/sequences.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

template <State S>
struct UnrollOptions {
  /// Real steps per sequence. A padded step keeps the state, its output is exactly 0, and nothing
  /// it holds, NaN included, has any influence; its gradient is exactly 0. No work is done for it:
  /// unless all lengths are T, a step gets only the sequences that have it, the longest first. What
  /// a cell has to know of each sequence therefore belongs in its state, as Variables [batch, ...].
  Lengths lengths = {};
  /// From the last real step of each sequence to its first; outputs stay at their steps.
  bool reverse = false;
  /// Inputs and outputs are [B, T, ...] instead of [T, B, ...].
  bool batch_first = false;
  /// If absent, the cell's own.
  std::optional<S> initial_state = std::nullopt;
};

template <State S>
struct Unrolled {
  Variable outputs;  ///< [T, B, ...], or [B, T, ...] if batch_first
  S last;            ///< after the last step of each sequence, or the initial state if it has none
};

template <State S>
struct UnrolledSteps {
  Variables outputs;  ///< T times [B, ...]
  S last;
};

namespace detail {

/// The loop over time. Outputs are as the cell gave them, with rows for the sequences that have the
/// step; the last states are those of all sequences in the caller's order.
template <RecurrentCell Cell>
UnrolledSteps<StateOf<Cell>> walk(const Cell& cell, const Sequences& x, bool reverse,
                                  const std::optional<StateOf<Cell>>& initial_state,
                                  const Location& at) {
  using S = StateOf<Cell>;
  const std::int64_t count = x.step_count();
  Variables outputs(static_cast<std::size_t>(count));
  ActiveState<S> state(
      map_state(initial_state ? *initial_state : cell.initial_state(x.rows(), x.batch()),
                [&](const Variable& v) { return x.longest_first(v); }),
      x.batch());
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t t = reverse ? count - 1 - k : k;
    state.resize(x.active_at(t));
    state.set(step_at(cell, x.step(x.rows(), t), state.get(), at));
    Variable& output = outputs[static_cast<std::size_t>(t)];
    output = output_of(state.get());
    expect_rows("the output of a step", output, x.active_at(t));
  }
  return {std::move(outputs),
          map_state(state.all(), [&](const Variable& v) { return x.as_given(v); })};
}

/// The outputs of a walk as rows of the sequences; of no steps, in the shape of other rows.
template <State S>
Variable rows_of(const UnrolledSteps<S>& walked) {
  if (!walked.outputs.empty()) return concat(walked.outputs, 0);
  const Variable output = output_of(walked.last);
  return zeros_like(output, output.shape().with(0, 0));
}

}  // namespace detail

/// Walks `cell` over inputs [T, B, ...]: returns the state of each sequence at its end, and the
/// outputs of all steps. Any T and B will do, 0 included, and any lengths up to T. Throws
/// ShapeError or ValueError for lengths that do not fit, and what the cell throws, with the
/// caller's line in front.
template <RecurrentCell Cell>
Unrolled<StateOf<Cell>> unroll(const Cell& cell, const Variable& inputs,
                               const UnrollOptions<StateOf<Cell>>& options = {},
                               Location at = Location::current()) {
  return recorded_by_user(inputs, at, "unroll", [&] {
    const Sequences x(inputs, options.lengths, options.batch_first);
    auto walked = detail::walk(cell, x, options.reverse, options.initial_state, at);
    return Unrolled<StateOf<Cell>>{x.padded(detail::rows_of(walked)), std::move(walked.last)};
  });
}

/// The same with the outputs as a list, for what goes on step by step. If all sequences are full,
/// they are the Variables that the cell goes on from: the norms of gradients(loss, outputs) are
/// those of dL/dh_t, and tell how far back the loss reaches (Pascanu et al. 2013).
template <RecurrentCell Cell>
UnrolledSteps<StateOf<Cell>> unroll_steps(const Cell& cell, const Variable& inputs,
                                          const UnrollOptions<StateOf<Cell>>& options = {},
                                          Location at = Location::current()) {
  return recorded_by_user(inputs, at, "unroll_steps", [&] {
    const Sequences x(inputs, options.lengths, options.batch_first);
    auto walked = detail::walk(cell, x, options.reverse, options.initial_state, at);
    if (!x.ragged()) return walked;
    const Variable outputs = x.padded(detail::rows_of(walked));
    const int time_axis = options.batch_first ? 1 : 0;
    walked.outputs.clear();
    for (std::int64_t t = 0; t < outputs.shape()[time_axis]; ++t) {
      walked.outputs.push_back(select(outputs, time_axis, t));
    }
    return walked;
  });
}

template <State Forward, State Backward>
struct BidirectionalOptions {
  Lengths lengths = {};
  bool batch_first = false;
  std::optional<Forward> forward_state = std::nullopt;
  std::optional<Backward> backward_state = std::nullopt;
};

template <State Forward, State Backward>
struct Bidirectional {
  Variable outputs;   ///< forward and backward side by side: [T, B, H + H']
  Forward forward;    ///< after the last step
  Backward backward;  ///< after the first step
};

/// Walks one cell forwards and another backwards, each sequence within its own length; options and
/// errors as for unroll. Outputs are joined along the last axis.
template <RecurrentCell Forward, RecurrentCell Backward>
Bidirectional<StateOf<Forward>, StateOf<Backward>> bidirectional(
    const Forward& forward, const Backward& backward, const Variable& inputs,
    const BidirectionalOptions<StateOf<Forward>, StateOf<Backward>>& options = {},
    Location at = Location::current()) {
  return recorded_by_user(inputs, at, "bidirectional", [&] {
    const Sequences x(inputs, options.lengths, options.batch_first);
    auto ahead = detail::walk(forward, x, false, options.forward_state, at);
    auto back = detail::walk(backward, x, true, options.backward_state, at);
    return Bidirectional<StateOf<Forward>, StateOf<Backward>>{
        x.padded(concat({detail::rows_of(ahead), detail::rows_of(back)}, -1)),
        std::move(ahead.last), std::move(back.last)};
  });
}

}  // namespace unroll::nn
