// Training of what writes step by step: teacher forcing, where every step is fed the true token
// before it, and scheduled sampling (Bengio, Vinyals, Jaitly, Shazeer 2015), where some are fed
// what the model itself would have written.
//
//   const auto forced = nn::teacher_forced(tape, step, initial_state, inputs);   // inputs [T, B]
//   const Variable loss = cross_entropy(forced.logits, labels, {.ignore_index = pad});
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/decoder.h>
#include <unroll/nn/state.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct ScheduledSampling {
  double probability = 0;  ///< of the model's own token, for each row and step; while training
  bool draw = false;       ///< it is drawn from the softmax, instead of the most probable one
  /// Also on a tape that is not in training mode: with probability 1, how well a model does with
  /// nobody to correct it.
  bool in_evaluation = false;
};

/// Is there something to choose? Not on a tape that is not in training mode, unless the options say
/// so. Throws ValueError unless 0 <= probability <= 1.
bool is_sampling(const Variable& on_tape_of, const ScheduledSampling& sampling);

/// Ids int32 [B] to feed next: each the true one or, with the probability of `sampling`, one of the
/// model's own by logits [B, V]. No gradient flows through the choice.
Variable next_tokens(const Variable& truth, const Variable& logits,
                     const ScheduledSampling& sampling);

/// A schedule for the probability: 1 - k / (k + exp(step / k)), from about 1 / k towards 1 with the
/// middle at step k log k. Throws ValueError unless k >= 1.
double inverse_sigmoid_schedule(std::int64_t step, double k);

template <State S>
struct TeacherForced {
  Variable logits;     ///< [T, B, V]
  Variable attention;  ///< [T, B, ...], undefined if the step returns none
  S last;              ///< after the last step
};

/// Runs `step(tape, ids, state)`, as a Decoder does, on the tape of training: T steps over token
/// ids int32 [T, B], begin tokens first. Throws ShapeError for no steps or another rank.
template <State S, class Step>
TeacherForced<S> teacher_forced(Tape& tape, Step&& step, const S& initial, const Variable& tokens,
                                const ScheduledSampling& sampling = {}) {
  if (tokens.shape().rank() != 2 || tokens.shape()[0] == 0) {
    throw ShapeError("teacher_forced: got tokens " + to_string(tokens.shape()) +
                     "; expected [steps, batch]");
  }
  const bool own = is_sampling(tokens, sampling);
  TeacherForced<S> result{{}, {}, initial};
  Variables logits, attention;
  for (std::int64_t t = 0; t < tokens.shape()[0]; ++t) {
    Variable ids = select(tokens, 0, t);
    if (own && t > 0) ids = next_tokens(ids, logits.back(), sampling);
    auto next = step(tape, std::as_const(ids), std::as_const(result.last));
    logits.push_back(next.logits);
    if constexpr (requires { next.attention; }) {
      if (next.attention.defined()) attention.push_back(next.attention);
    }
    result.last = std::move(next.state);
  }
  result.logits = stack(logits);
  if (!attention.empty()) result.attention = stack(attention);
  return result;
}

}  // namespace unroll::nn
