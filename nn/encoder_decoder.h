// EncoderDecoder: from one sequence of tokens to another, with attention in between (Bahdanau, Cho,
// Bengio 2015), over any recurrent cell and any kind of attention.
//
//   encoder   source embedding -> layers of the cell in both directions -> memory [B, S, 2 H]
//   bridge    state_0 = tanh(W [last forward state; last backward state]), per decoder layer
//   step      context, weights = attention(output of state, memory)
//             state' = cell([embedded token; context], state)
//             or, if conditional,
//             between = cell(embedded token, state)
//             context, weights = attention(output of between, memory)
//             state' = transition(context, between)
//   output    logits = U tanh(R [output of state'; context; embedded token])
//             or, without the deep output, U [output of state'; context; embedded token]
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
#include <unroll/autograd/recorded.h>
#include <unroll/nn/attention.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/encoder_decoder_options.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/stacked_cell.h>
#include <unroll/nn/stacked_rnn.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

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

/// `Cell` is made as Cell(scope, in, hidden); what it remembers is a fixed number of Variables
/// [B, hidden]. `Attention` is made as Attention(scope, query, memory, width), or with fewer of
/// these, and used as the kinds in attention.h, or as LocationAttention; DotAttention does not fit,
/// for the memory is twice as wide as the query.
template <RecurrentCell Cell = GRUCell, class Attention = AdditiveAttention>
class EncoderDecoder {
 public:
  struct DecoderState {
    RecycledVector<StateOf<Cell>> cells;
    Variables looked;  ///< the last weights, if the attention wants to know them
  };
  struct Encoded {
    AttentionMemory memory;
    DecoderState state;
  };
  struct Step {
    Variable logits;  ///< [B, target vocabulary]
    DecoderState state;
    Variable attention;  ///< [B, S]
  };

  /// Throws ValueError for options that do not fit.
  EncoderDecoder(const LayerScope& scope, const EncoderDecoderOptions& options);

  /// Reads source ids int32 [B, S]; padded ones and those beyond the lengths only have to be ids.
  Encoded encode(Tape& tape, const Tensor& source, const Lengths& lengths = {},
                 Location at = Location::current()) const;

  /// Feeds one target token per row, ids int32 [B].
  Step decode_step(const AttentionMemory& memory, const DecoderState& state, const Variable& ids,
                   Location at = Location::current()) const;

  /// Cross-entropy of target ids int32 [B, T], begin to end, each predicted from the ones before
  /// it (teacher forcing, unless the options say otherwise); padding counts nothing. With teacher
  /// forcing the output layer runs once for all steps.
  Variable loss(Tape& tape, const Tensor& source, const Tensor& target,
                const TargetLossOptions& options = {}, Location at = Location::current()) const;

  const EncoderDecoderOptions& options() const { return options_; }

 private:
  struct Attending {
    DecoderState state;
    Attended attended;
  };
  static constexpr bool kLooksBack = requires(const Attention& a, const AttentionMemory& m) {
    a.first(m);
  };
  Attended look(const AttentionMemory& memory, const DecoderState& state, const Variable& query,
                const Location& at) const;
  /// One step of the decoder, short of the output layer.
  Attending attend(const AttentionMemory& memory, const DecoderState& state,
                   const Variable& embedded, const Location& at) const;
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
  std::optional<Cell> transition_;  ///< if conditional
  std::vector<Linear> bridge_;      ///< per decoder layer and Variable of its state
  Attention attention_;
  std::optional<Linear> readout_;  ///< R, if the output is deep
  std::optional<Linear> output_;   ///< always there: made last
};

template <RecurrentCell Cell, class Attention>
EncoderDecoder<Cell, Attention>::EncoderDecoder(const LayerScope& scope,
                                                const EncoderDecoderOptions& options) try
    : options_(detail::checked(options)),
      source_(scope / "source", options.source_vocabulary, options.embedding,
              {.padding_idx = options.pad}),
      target_(scope / "target", options.target_vocabulary, options.embedding,
              target_embedding(options)),
      encoder_(make_encoder(scope / "encoder", options),
               {.bidirectional = true, .dropout = options.dropout}),
      decoder_(make_decoder(scope / "decoder", options), options.dropout),
      attention_(detail::make_attention<Attention>(scope / "attention", options.hidden,
                                                   2 * options.hidden, options.hidden)) {
  const std::size_t per_layer = memory_variables(StateOf<Cell>{}).size();
  for (std::size_t i = 0; i < per_layer * decoder_.cells.size(); ++i) {
    bridge_.emplace_back(scope / "bridge" / std::to_string(i), 2 * options.hidden, options.hidden);
  }
  if (options.conditional) {
    transition_.emplace(scope / "decoder" / "transition", 2 * options.hidden, options.hidden);
  }
  const std::int64_t known = 3 * options.hidden + options.embedding;
  if (options.deep_output) readout_.emplace(scope / "readout", known, options.embedding);
  if (options.tie_output) {
    output_.emplace(scope / "output", target_.weight);
  } else {
    output_.emplace(scope / "output", readout_ ? options.embedding : known,
                    options.target_vocabulary);
  }
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, "EncoderDecoder");
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
    const std::int64_t first = options.embedding + (options.conditional ? 0 : 2 * options.hidden);
    const std::int64_t in = layer == 0 ? first : options.hidden;
    cells.emplace_back(scope / std::to_string(layer), in, options.hidden);
  }
  return cells;
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::encode(Tape& tape, const Tensor& source,
                                             const Lengths& lengths, Location at) const -> Encoded {
  return recorded(tape, at, "EncoderDecoder", [&] {
    const Lengths known = lengths.given() ? lengths : lengths_of(source, options_.pad);
    const Variable embedded = embed(source_, tape.input(time_first(source)));
    const auto encoded = encoder_(embedded, {.lengths = known});
    Variable mask;
    if (!known.all_are(source.shape()[1])) {
      mask = tape.input(length_mask(known, source.shape()[1]));
    }
    Encoded result{attention_.prepare(transpose(encoded.outputs, 0, 1), mask), {}};

    const auto forward = memory_variables(encoded.last[encoded.last.size() - 2]);
    const auto backward = memory_variables(encoded.last[encoded.last.size() - 1]);
    result.state.cells = decoder_.initial_state(embedded, source.shape()[0]);
    if constexpr (kLooksBack) result.state.looked = {attention_.first(result.memory)};
    std::size_t i = 0;
    for_each_memory(result.state.cells, [&](Variable& variable) {
      const std::size_t own = i % forward.size();
      variable = tanh(bridge_[i++](concat({forward[own], backward[own]}, -1)));
    });
    return result;
  });
}

template <RecurrentCell Cell, class Attention>
Attended EncoderDecoder<Cell, Attention>::look(const AttentionMemory& memory,
                                               const DecoderState& state, const Variable& query,
                                               const Location& at) const {
  if constexpr (kLooksBack) {
    return attention_(query, memory, state.looked.at(0), at);
  } else {
    return attention_(query, memory, at);
  }
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::attend(const AttentionMemory& memory,
                                             const DecoderState& state, const Variable& embedded,
                                             const Location& at) const -> Attending {
  Attending next;
  if (transition_) {
    const StateOf<Cell> between = step_at(decoder_.cells[0], embedded, state.cells.at(0), at);
    next.attended = look(memory, state, output_of(between), at);
    next.state.cells.push_back(step_at(*transition_, next.attended.context, between, at));
    decoder_.step_above(next.state.cells, state.cells, at);
  } else {
    next.attended = look(memory, state, output_of(state.cells), at);
    next.state.cells =
        decoder_.step(concat({embedded, next.attended.context}, -1), state.cells, at);
  }
  if constexpr (kLooksBack) next.state.looked = {next.attended.weights};
  return next;
}

template <RecurrentCell Cell, class Attention>
Variable EncoderDecoder<Cell, Attention>::logits(const Variable& outputs, const Variable& contexts,
                                                 const Variable& embedded) const {
  Variable read = concat({outputs, contexts, embedded}, -1);
  if (readout_) read = dropout(tanh((*readout_)(read)), options_.dropout);
  return (*output_)(read);
}

template <RecurrentCell Cell, class Attention>
auto EncoderDecoder<Cell, Attention>::decode_step(const AttentionMemory& memory,
                                                  const DecoderState& state, const Variable& ids,
                                                  Location at) const -> Step {
  return recorded(ids, at, "EncoderDecoder", [&]() -> Step {
    const Variable embedded = embed(target_, ids);
    Attending next = attend(memory, state, embedded, at);
    const Variable scores = logits(output_of(next.state.cells), next.attended.context, embedded);
    return {scores, std::move(next.state), next.attended.weights};
  });
}

template <RecurrentCell Cell, class Attention>
Variable EncoderDecoder<Cell, Attention>::loss(Tape& tape, const Tensor& source,
                                               const Tensor& target,
                                               const TargetLossOptions& options,
                                               Location at) const {
  return recorded(tape, at, "EncoderDecoder", [&] {
    const Shape shape = target.shape();
    if (shape.rank() != 2 || shape[1] < 2 || shape[0] != source.shape().extent(0)) {
      throw ShapeError("got target " + to_string(shape) + " for source " +
                       to_string(source.shape()) + "; expected [batch, 2 steps or more]");
    }
    const Encoded encoded = encode(tape, source, options.source_lengths, at);
    const std::int64_t steps = shape[1] - 1;
    const Variable fed = tape.input(time_first(columns(target, 0, steps)));
    const Variable embedded = embed(target_, fed);
    const Variable labels = tape.input(time_first(columns(target, 1, steps + 1)));
    Variable scores;
    if (is_sampling(embedded, options.sampling)) {
      const auto step = [&](Tape&, const Variable& ids, const DecoderState& state) {
        return decode_step(encoded.memory, state, ids, at);
      };
      scores = teacher_forced(tape, step, encoded.state, fed, options.sampling).logits;
    } else {
      Variables outputs, contexts;
      DecoderState state = encoded.state;
      for (std::int64_t t = 0; t < steps; ++t) {
        Attending next = attend(encoded.memory, state, select(embedded, 0, t), at);
        state = std::move(next.state);
        outputs.push_back(output_of(state.cells));
        contexts.push_back(next.attended.context);
      }
      scores = logits(stack(outputs), stack(contexts), embedded);
    }
    return cross_entropy(scores, labels,
                         {.ignore_index = options_.pad,
                          .label_smoothing = options.label_smoothing,
                          .reduction = options.reduction});
  });
}

}  // namespace unroll::nn
