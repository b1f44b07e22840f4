// The part of the table of sequence models that looks at whole sequences: attention, Transformers.
#include <unroll/nn/nn.h>
#include <unroll/nn/sequence_mask.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/sequence_models.h>

namespace unroll::testing::detail {

namespace {

/// x [T, B, ...] with zeros beyond the lengths: what is given to functions that have none.
Variable only_real(const Variable& x, const Ragged& side) {
  return nn::SequenceMask(x, side.lengths, false)(x);
}

/// One query per sequence over x as a memory.
template <class Attention>
SequenceModel one_query(const std::string& name, std::function<Attention(const nn::Scope&)> make) {
  return {"attention, " + name, [=](const nn::Scope& s) -> SequenceFunction {
            return [attention = make(s)](const SequenceCall& call) {
              const auto memory = attention.prepare(transpose(call.x, 0, 1), call.mask());
              const Variable query = call.rows(kWidth, 60);
              nn::Attended attended;
              if constexpr (requires { attention.first(memory); }) {
                const auto first = attention(query, memory, attention.first(memory));
                attended = attention(tanh(first.context), memory, first.weights);
              } else {
                attended = attention(query, memory);
              }
              return SequenceResults{{attended.context},
                                     {transpose(attended.weights, 0, 1), &call.in()}};
            };
          }};
}

SequenceModel multihead(const std::string& name, const nn::MultiheadAttentionOptions& options,
                        bool self, bool random = false) {
  const auto make = [=](const nn::Scope& s) -> SequenceFunction {
    return
        [=, attention = nn::MultiheadAttention(s, kWidth, 2, options)](const SequenceCall& call) {
          const Ragged& side = self ? call.in() : call.out();
          const auto turned = [&](const Variable& v) {
            return options.batch_first ? transpose(v, 0, 1) : v;
          };
          const Variable query = only_real(self ? call.x : call.y, side), memory = turned(call.x);
          const auto attended = attention(turned(query), memory, memory,
                                          {.key_lengths = call.in().lengths, .causal = self});
          return SequenceResults{{only_real(turned(attended.output), side), &side}};
        };
  };
  return {"MultiheadAttention, " + name, make, random};
}

nn::TransformerStackOptions stack_of(const nn::TransformerOptions& options) {
  nn::TransformerStackOptions result{.layer = options, .final_norm = options.norm_first};
  result.layer.heads = 2;
  result.layer.feedforward = 5;
  return result;
}

SequenceModel encoder(const std::string& name, const nn::TransformerOptions& options, bool causal) {
  const auto make = [=](const nn::Scope& s) -> SequenceFunction {
    return [=, encoder = nn::TransformerEncoder(s / "encoder", 2, kWidth, stack_of(options)),
            places =
                nn::LearnedPositionalEncoding(s / "places", 10, kWidth)](const SequenceCall& call) {
      const nn::PositionalEncoding sinusoids;
      const Variable x = sinusoids(places(call.x));
      const Variable y = encoder(options.batch_first ? transpose(x, 0, 1) : x,
                                 {.lengths = call.in().lengths, .causal = causal});
      return SequenceResults{{options.batch_first ? transpose(y, 0, 1) : y, &call.in()}};
    };
  };
  return {"TransformerEncoder, " + name, make, options.dropout > 0};
}

SequenceModel decoder(const std::string& name, const nn::TransformerOptions& options, bool causal) {
  const auto make = [=](const nn::Scope& s) -> SequenceFunction {
    return [=, decoder = nn::TransformerDecoder(s, 2, kWidth, stack_of(options))](
               const SequenceCall& call) {
      const Variable y = decoder(
          call.y, call.x,
          {.lengths = call.out().lengths, .memory_lengths = call.in().lengths, .causal = causal});
      return SequenceResults{{y, &call.out()}};
    };
  };
  return {"TransformerDecoder, " + name, make, options.dropout > 0};
}

SequenceModel decoder_steps() {
  const auto make = [](const nn::Scope& s) -> SequenceFunction {
    return
        [decoder = nn::TransformerDecoder(s, 2, kWidth, stack_of({}))](const SequenceCall& call) {
          const auto memory = decoder.prepare(call.x, call.in().lengths);
          auto state = decoder.initial_state(call.x, call.in().batch());
          Variable x = call.rows(kWidth, 61);
          SequenceResults results;
          for (int step = 0; step < 3; ++step) {
            auto next = decoder.step(x, state, memory);
            x = tanh(next.output);
            state = std::move(next.state);
            results.push_back({next.output});
            const Variable over_memory = mean(select(next.weights, 2, 0), 1);
            results.push_back({transpose(over_memory, 0, 1), &call.in()});
          }
          return results;
        };
  };
  return {"TransformerDecoder, step by step", make};
}

}  // namespace

std::vector<SequenceModel> attention_models() {
  using S = const nn::Scope&;
  return {
      one_query<nn::AdditiveAttention>(
          "additive", [](S s) { return nn::AdditiveAttention(s, kWidth, kWidth, 3); }),
      one_query<nn::GeneralAttention>("general",
                                      [](S s) { return nn::GeneralAttention(s, kWidth, kWidth); }),
      one_query<nn::DotAttention>("dot", [](S) { return nn::DotAttention(); }),
      one_query<nn::DotAttention>("scaled dot", [](S) { return nn::DotAttention(true); }),
      one_query<nn::LocationAttention>("location",
                                       [](S s) {
                                         return nn::LocationAttention(s, kWidth, kWidth, 3,
                                                                      {.filters = 2, .window = 3});
                                       }),
      multihead("over a memory", {}, false),
      multihead("batch first, without bias", {.bias = false, .batch_first = true}, false),
      multihead("own widths", {.key_width = kWidth, .value_width = kWidth}, false),
      multihead("causal over itself", {}, true),
      multihead("dropout", {.dropout = 0.3}, false, true),
      encoder("normalised after", {}, false),
      encoder("normalised first, batch first", {.norm_first = true, .batch_first = true}, false),
      encoder("causal, gelu", {.activation = nn::TransformerActivation::gelu}, true),
      encoder("dropout", {.dropout = 0.3}, false),
      decoder("normalised after", {}, true),
      decoder("normalised first, not causal", {.norm_first = true}, false),
      decoder("dropout", {.dropout = 0.3}, true),
      decoder_steps(),
  };
}

}  // namespace unroll::testing::detail
