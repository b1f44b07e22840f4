// Decoder: any step function over a state of Variables, as what greedy, beam_search and sample
// follow. All that a user writes is the step:
//
//   struct State { Variable h, c; };                                     // see state.h
//   auto steps = nn::decoder([&](Tape& tape, const Variable& ids, const State& state) {
//     const auto next = cell.step(embedding(ids), state);                // ids: int32 [n]
//     return nn::DecoderStep<State>{output(next.h), next};               // logits [n, V]
//   }, initial_state);                                                   // a row per sentence
//   const auto found = nn::beam_search(steps, {.beam_size = 4});
//
// The hypotheses of all sentences are the rows of one batch; the decoder carries every Variable of
// the state from step to step and moves its rows with the hypotheses.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/nn/carried.h>
#include <unroll/nn/decoding.h>
#include <unroll/nn/state.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

/// What a step may return. Another struct with members of these names will do; `attention` may be
/// missing or undefined.
template <State S>
struct DecoderStep {
  Variable logits;  ///< [n, V]
  S state;
  Variable attention =
      {};  ///< [n, ...]: kept with the chosen token, axes from the second on as one
};

/// Memory for steps that have none.
using NoMemory = Variables;

namespace detail {

template <class Step, class S, class M>
auto decode_step(Step& step, Tape& tape, const Variable& ids, const S& state, const M& memory) {
  if constexpr (std::is_invocable_v<Step&, Tape&, const Variable&, const S&, const M&>) {
    return step(tape, ids, state, memory);
  } else {
    return step(tape, ids, state);
  }
}

}  // namespace detail

/// Runs `step(tape, ids, state)`, or `step(tape, ids, state, memory)`. Every step is recorded on an
/// empty tape that starts from values only, so memory does not grow with the length of the output.
template <State S, class Step, State M = NoMemory>
class Decoder {
 public:
  /// The values of the initial state, and of a memory that does not change from step to step, are
  /// those of the sentences: Variables [sentences, ...], on any tape. They are computed now. Throws
  /// ShapeError if their rows differ, ValueError if there is no Variable.
  Decoder(Step step, const S& initial, const M& memory = {},
          TapeOptions tape = {.training = false}) try
      : step_(std::move(step)), tape_(tape) {
    Variables all = defined_variables(initial);
    for (const Variable& variable : defined_variables(memory)) all.push_back(variable);
    if (all.empty()) throw ValueError("Decoder: got no Variable; expected a state or a memory");
    if (all[0].shape().rank() > 0) sentences_ = all[0].shape()[0];
    for (const Variable& variable : all) expect_rows("Decoder", variable, sentences_);
    evaluate(all);
    initial_ = Carried(initial);
    memories_ = Carried(memory);
    restart();
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "Decoder");
  }

  std::int64_t sentences() const { return sentences_; }

  /// Forgets all steps: the next one is the first.
  void restart() {
    blame_memory("Decoder", [&] {
      Carried<S> state = initial_;
      Carried<M> memory = memories_;
      sentence_of_.resize(static_cast<std::size_t>(sentences_));
      state_ = std::move(state);
      memory_ = std::move(memory);
      std::iota(sentence_of_.begin(), sentence_of_.end(), 0);
    });
  }

  /// The step that a search asks for, see StepFunction. If it throws, it has not been made: the
  /// next call goes on from the step before. Throws ValueError for another number of ids than
  /// parents, or a parent that is no row of the step before.
  StepScores operator()(std::span<const std::int32_t> ids, std::span<const std::int32_t> parents) {
    return blame_memory("Decoder", [&] { return made(ids, parents); });
  }

 private:
  StepScores made(std::span<const std::int32_t> ids, std::span<const std::int32_t> parents) {
    std::vector<std::int32_t> sentence_of = sentences_of(ids, parents);
    std::optional<Carried<M>> memory;
    if (sentence_of != sentence_of_) memory = memories_.rows(sentence_of);
    // Greedy choice moves no row until a sentence is over.
    std::vector<std::int32_t> unmoved(sentence_of_.size());
    std::iota(unmoved.begin(), unmoved.end(), 0);
    std::optional<Carried<S>> moved;
    if (!std::ranges::equal(parents, unmoved)) moved = state_.rows(parents);

    tape_.reset();
    const Tape::NoGradient guard = tape_.no_gradient();
    const Variable tokens = tape_.input(Tensor(Shape{static_cast<std::int64_t>(ids.size())}, ids));
    const auto step = detail::decode_step(step_, tape_, tokens, (moved ? *moved : state_).on(tape_),
                                          (memory ? *memory : memory_).on(tape_));
    const Variable log_probabilities = log_softmax(step.logits);
    Variables results = defined_variables(step.state);
    results.push_back(log_probabilities);
    Variable attention;
    if constexpr (requires { step.attention; }) attention = step.attention;
    if (attention.defined()) results.push_back(attention);
    evaluate(results);
    StepScores scores{log_probabilities.value(),
                      attention.defined() ? attention.value() : Tensor()};
    state_ = Carried<S>(step.state);
    if (memory) memory_ = std::move(*memory);
    sentence_of_ = std::move(sentence_of);
    return scores;
  }

  std::vector<std::int32_t> sentences_of(std::span<const std::int32_t> ids,
                                         std::span<const std::int32_t> parents) const {
    if (ids.size() != parents.size()) {
      throw ValueError("Decoder: got " + std::to_string(ids.size()) + " ids and " +
                       std::to_string(parents.size()) + " parents; expected as many");
    }
    std::vector<std::int32_t> result;
    for (const std::int32_t parent : parents) {
      if (parent < 0 || static_cast<std::size_t>(parent) >= sentence_of_.size()) {
        throw ValueError("Decoder: got parent " + std::to_string(parent) + "; expected 0 to " +
                         std::to_string(sentence_of_.size()) + ", exclusive");
      }
      result.push_back(sentence_of_[static_cast<std::size_t>(parent)]);
    }
    return result;
  }

  Step step_;
  Tape tape_;
  std::int64_t sentences_ = 0;
  Carried<S> initial_, state_;             ///< of each sentence, and of each row
  Carried<M> memories_, memory_;           ///< likewise
  std::vector<std::int32_t> sentence_of_;  ///< per row
};

/// A Decoder for this step and these values; see there.
template <State S, class Step>
Decoder<S, Step> decoder(Step step, const S& initial,
                         const TapeOptions& tape = {.training = false}) {
  return Decoder<S, Step>(std::move(step), initial, {}, tape);
}
template <State S, State M, class Step>
Decoder<S, Step, M> decoder(Step step, const S& initial, const M& memory,
                            const TapeOptions& tape = {.training = false}) {
  return Decoder<S, Step, M>(std::move(step), initial, memory, tape);
}

/// Is a Decoder, or something like it: a StepFunction that knows its sentences.
template <class D>
concept DecodesSentences = requires(D& decoder) {
  { decoder.sentences() } -> std::convertible_to<std::int64_t>;
  decoder.restart();
};

/// Greedy choice for all sentences of a decoder, from their beginnings.
template <DecodesSentences D>
std::vector<Hypothesis> greedy(D&& decoder, const DecodingOptions& options = {}) {
  decoder.restart();
  return greedy(StepFunction(std::ref(decoder)), decoder.sentences(), options);
}
/// Beam search, likewise.
template <DecodesSentences D>
std::vector<std::vector<Hypothesis>> beam_search(D&& decoder, const DecodingOptions& options = {}) {
  decoder.restart();
  return beam_search(StepFunction(std::ref(decoder)), decoder.sentences(), options);
}
/// Sampling, likewise.
template <DecodesSentences D>
std::vector<std::vector<Hypothesis>> sample(D&& decoder, const DecodingOptions& options = {}) {
  decoder.restart();
  return sample(StepFunction(std::ref(decoder)), decoder.sentences(), options);
}

}  // namespace unroll::nn
