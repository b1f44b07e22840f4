// EncoderDecoder: from one sequence of tokens to another, with attention in between (Bahdanau, Cho,
// Bengio 2015), over any recurrent cell and any kind of attention.
//
//   encoder   source embedding -> layers of the cell in both directions -> memory [B, S, 2 H]
//   bridge    state_0 = tanh(W [last forward state; last backward state]), per decoder layer
//   step      context, weights = attention(output of state, memory)
//             state' = cell([embedded token; context], state)
//   output    logits = U tanh(R [output of state'; context; embedded token])
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/attention.h>
#include <unroll/nn/decoder.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/lengths.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/nn/stacked_cell.h>
#include <unroll/nn/stacked_rnn.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct EncoderDecoderOptions {
  std::int64_t source_vocabulary = 0;  ///< how many source ids there are
  std::int64_t target_vocabulary = 0;
  std::int64_t embedding = 256;  ///< width of the embeddings and of what the logits are made from
  std::int64_t hidden = 512;     ///< width of every cell and of the attention
  int encoder_layers = 1;
  int decoder_layers = 1;
  double dropout = 0;       ///< of embeddings, between layers and before the logits, while training
  bool tie_output = false;  ///< the target embedding is the weight of the output layer, too
  std::int32_t pad = 0, begin = 2, end = 3;  ///< ids, as in <unroll/text/vocabulary.h>
};

struct TargetLossOptions {
  Lengths source_lengths = {};  ///< if not given: up to the last id that is not padding
  double label_smoothing = 0;
  Reduction reduction = Reduction::mean;  ///< over the target tokens that are not padding
};

namespace detail {

template <class Attention>
Attention make_attention(const Scope& scope, std::int64_t query, std::int64_t memory,
                         std::int64_t width) {
  if constexpr (std::is_constructible_v<Attention, Scope, std::int64_t, std::int64_t,
                                        std::int64_t>) {
    return Attention(scope, query, memory, width);
  } else if constexpr (std::is_constructible_v<Attention, Scope, std::int64_t, std::int64_t>) {
    return Attention(scope, query, memory);
  } else {
    return Attention();
  }
}

}  // namespace detail

/// `Cell` is made as Cell(scope, in, hidden); its state is a fixed number of Variables
/// [B, hidden]. `Attention` is made as Attention(scope, query, memory, width), or with fewer of
/// these, and used as the kinds in attention.h; DotAttention does not fit, for the memory is twice
/// as wide as the query.
template <RecurrentCell Cell = GRUCell, class Attention = AdditiveAttention>
class EncoderDecoder {
 public:
  using DecoderState = std::vector<StateOf<Cell>>;
  struct Encoded {
    AttentionMemory memory;
    DecoderState state;
  };
  struct Step {
    Variable logits;  ///< [B, target vocabulary]
    DecoderState state;
    Variable attention;  ///< [B, S]
  };

  EncoderDecoder(const Scope& scope, const EncoderDecoderOptions& options);

  /// Reads source ids int32 [B, S]. Padded ids, or those beyond the lengths, have no influence.
  Encoded encode(Tape& tape, const Tensor& source, const Lengths& lengths = {}) const;

  /// Feeds one target token per row, ids int32 [B].
  Step decode_step(const AttentionMemory& memory, const DecoderState& state,
                   const Variable& ids) const;

  /// Cross-entropy of target ids int32 [B, T], begin to end, each predicted from the ones before
  /// it (teacher forcing); padding counts nothing. The output layer runs once for all steps.
  Variable loss(Tape& tape, const Tensor& source, const Tensor& target,
                const TargetLossOptions& options = {}) const;

  const EncoderDecoderOptions& options() const { return options_; }

 private:
  struct Attending {
    DecoderState state;
    Attended attended;
  };
  /// One step of the decoder, short of the output layer.
  Attending attend(const AttentionMemory& memory, const DecoderState& state,
                   const Variable& embedded) const;
  /// Everything [..., n] -> logits [..., target vocabulary]
  Variable logits(const Variable& outputs, const Variable& contexts,
                  const Variable& embedded) const;
  Variable embed(const Embedding& embedding, const Variable& ids) const {
    return dropout(embedding(ids), options_.dropout);
  }
  static EmbeddingOptions target_embedding(const EncoderDecoderOptions& options);
  static std::vector<Cell> make_encoder(const Scope& scope, const EncoderDecoderOptions& options);
  static std::vector<Cell> make_decoder(const Scope& scope, const EncoderDecoderOptions& options);

  EncoderDecoderOptions options_;
  Embedding source_, target_;
  StackedRNN<Cell> encoder_;
  StackedCell<Cell> decoder_;
  std::vector<Linear> bridge_;  ///< per decoder layer and Variable of its state
  Attention attention_;
  Linear readout_;
  std::optional<Linear> output_;  ///< absent if tied
  Parameter output_bias_;         ///< if tied
};

template <RecurrentCell Cell, class Attention>
EncoderDecoder<Cell, Attention>::EncoderDecoder(const Scope& scope,
                                                const EncoderDecoderOptions& options)
    : options_(options),
      source_(scope / "source", options.source_vocabulary, options.embedding,
              {.padding_idx = options.pad}),
      target_(scope / "target", options.target_vocabulary, options.embedding,
              target_embedding(options)),
      encoder_(make_encoder(scope / "encoder", options),
               {.bidirectional = true, .dropout = options.dropout}),
      decoder_(make_decoder(scope / "decoder", options), options.dropout),
      attention_(detail::make_attention<Attention>(scope / "attention", options.hidden,
                                                   2 * options.hidden, options.hidden)),
      readout_(scope / "readout", 3 * options.hidden + options.embedding, options.embedding) {
  const std::size_t per_layer = state_variables(StateOf<Cell>{}).size();
  for (std::size_t i = 0; i < per_layer * decoder_.cells.size(); ++i) {
    bridge_.emplace_back(scope / "bridge" / std::to_string(i), 2 * options.hidden, options.hidden);
  }
  if (options.tie_output) {
    output_bias_ = (scope / "output").parameter("bias", {options.target_vocabulary}, init::zeros());
  } else {
    output_.emplace(scope / "output", options.embedding, options.target_vocabulary);
  }
}

template <RecurrentCell Cell, class Attention>
EmbeddingOptions EncoderDecoder<Cell, Attention>::target_embedding(
    const EncoderDecoderOptions& options) {
  if (!options.tie_output) return {.padding_idx = options.pad};
  // As output weights, standard normal vectors would begin with logits far from 0.
  const auto width = static_cast<double>(std::max<std::int64_t>(options.embedding, 1));
  return {.padding_idx = options.pad, .initializer = init::normal(0, 1 / std::sqrt(width))};
}

template <RecurrentCell Cell, class Attention>
std::vector<Cell> EncoderDecoder<Cell, Attention>::make_encoder(
    const Scope& scope, const EncoderDecoderOptions& options) {
  std::vector<Cell> cells;
  for (int layer = 0; layer < options.encoder_layers; ++layer) {
    const std::int64_t in = layer == 0 ? options.embedding : 2 * options.hidden;
    const Scope own = scope / std::to_string(layer);
    cells.emplace_back(own / "forward", in, options.hidden);
    cells.emplace_back(own / "backward", in, options.hidden);
  }
  return cells;
}

template <RecurrentCell Cell, class Attention>
std::vector<Cell> EncoderDecoder<Cell, Attention>::make_decoder(
    const Scope& scope, const EncoderDecoderOptions& options) {
  std::vector<Cell> cells;
  for (int layer = 0; layer < options.decoder_layers; ++layer) {
    const std::int64_t in = layer == 0 ? options.embedding + 2 * options.hidden : options.hidden;
    cells.emplace_back(scope / std::to_string(layer), in, options.hidden);
  }
  return cells;
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::encode(Tape& tape, const Tensor& source,
                                             const Lengths& lengths) const -> Encoded {
  const Lengths known = lengths.given() ? lengths : lengths_of(source, options_.pad);
  const Variable embedded = embed(source_, tape.input(time_first(source)));
  const auto encoded = encoder_(embedded, {.lengths = known});
  Variable mask;
  if (!known.all_are(source.shape()[1])) {
    mask = tape.input(length_mask(known, source.shape()[1]));
  }
  Encoded result{attention_.prepare(transpose(encoded.outputs, 0, 1), mask), {}};

  const auto forward = state_variables(encoded.last[encoded.last.size() - 2]);
  const auto backward = state_variables(encoded.last[encoded.last.size() - 1]);
  result.state = decoder_.initial_state(embedded, source.shape()[0]);
  std::size_t i = 0;
  for_each_variable(result.state, [&](Variable& variable) {
    const std::size_t own = i % forward.size();
    variable = tanh(bridge_[i++](concat({forward[own], backward[own]}, -1)));
  });
  return result;
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::attend(const AttentionMemory& memory,
                                             const DecoderState& state,
                                             const Variable& embedded) const -> Attending {
  Attended attended = attention_(output_of(state), memory);
  return {decoder_.step(concat({embedded, attended.context}, -1), state), attended};
}

template <RecurrentCell Cell, class Attention>
Variable EncoderDecoder<Cell, Attention>::logits(const Variable& outputs, const Variable& contexts,
                                                 const Variable& embedded) const {
  const Variable read =
      dropout(tanh(readout_(concat({outputs, contexts, embedded}, -1))), options_.dropout);
  return output_ ? (*output_)(read) : linear(read, target_.weight, output_bias_);
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::decode_step(const AttentionMemory& memory,
                                                  const DecoderState& state,
                                                  const Variable& ids) const -> Step {
  const Variable embedded = embed(target_, ids);
  Attending next = attend(memory, state, embedded);
  const Variable scores = logits(output_of(next.state), next.attended.context, embedded);
  return {scores, std::move(next.state), next.attended.weights};
}

template <RecurrentCell Cell, class Attention>
Variable EncoderDecoder<Cell, Attention>::loss(Tape& tape, const Tensor& source,
                                               const Tensor& target,
                                               const TargetLossOptions& options) const {
  const Encoded encoded = encode(tape, source, options.source_lengths);
  const std::int64_t steps = target.shape().extent(1) - 1;
  if (steps < 1) throw ShapeError("EncoderDecoder: the target is shorter than begin and end");
  const Variable embedded = embed(target_, tape.input(time_first(columns(target, 0, steps))));
  const Variable labels = tape.input(time_first(columns(target, 1, steps + 1)));
  std::vector<Variable> outputs, contexts;
  DecoderState state = encoded.state;
  for (std::int64_t t = 0; t < steps; ++t) {
    Attending next = attend(encoded.memory, state, select(embedded, 0, t));
    state = std::move(next.state);
    outputs.push_back(output_of(state));
    contexts.push_back(next.attended.context);
  }
  return cross_entropy(logits(stack(outputs), stack(contexts), embedded), labels,
                       {.ignore_index = options_.pad,
                        .label_smoothing = options.label_smoothing,
                        .reduction = options.reduction});
}

/// An EncoderDecoder as a Decoder for one batch of source ids int32 [B, S]. Refers to the model.
template <class Model>
requires requires { typename Model::Encoded; }
auto decoder(const Model& model, const Tensor& source, const Lengths& lengths = {}) {
  Tape tape({.training = false});
  const Tape::NoGradient guard = tape.no_gradient();
  const typename Model::Encoded encoded = model.encode(tape, source, lengths);
  return decoder(
      [&model](Tape&, const Variable& ids, const typename Model::DecoderState& state,
               const AttentionMemory& memory) { return model.decode_step(memory, state, ids); },
      encoded.state, encoded.memory);
}

/// The ids that the model was made with, in options for decoding.
inline DecodingOptions with_ids_of(const EncoderDecoderOptions& model, DecodingOptions options) {
  options.begin = model.begin;
  options.end = model.end;
  return options;
}

// Search for the targets of source ids int32 [B, S]; options' begin and end are the model's.

template <class Model>
std::vector<Hypothesis> greedy(const Model& model, const Tensor& source,
                               const DecodingOptions& options = {}, const Lengths& lengths = {}) {
  return greedy(decoder(model, source, lengths), with_ids_of(model.options(), options));
}
template <class Model>
std::vector<std::vector<Hypothesis>> beam_search(const Model& model, const Tensor& source,
                                                 const DecodingOptions& options = {},
                                                 const Lengths& lengths = {}) {
  return beam_search(decoder(model, source, lengths), with_ids_of(model.options(), options));
}
template <class Model>
std::vector<std::vector<Hypothesis>> sample(const Model& model, const Tensor& source,
                                            const DecodingOptions& options = {},
                                            const Lengths& lengths = {}) {
  return sample(decoder(model, source, lengths), with_ids_of(model.options(), options));
}

}  // namespace unroll::nn
