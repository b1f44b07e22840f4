// The law of passes over Transformer layers and attention that remembers where it looked.
#include <unroll/nn/nn.h>
#include <unroll/ops/elementwise.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kBatch = 3, kSteps = 4, kWidth = 4;

nn::TransformerStackOptions tiny(bool norm_first, double dropout) {
  return {.layer = {.heads = 2, .feedforward = 5, .dropout = dropout, .norm_first = norm_first},
          .final_norm = norm_first};
}

}  // namespace

TEST_CASE("passes agree on location attention", "[passes][nn]") {
  ParameterSet parameters(2);
  const nn::LocationAttention attention(parameters.scope("attention"), kWidth, kWidth, 3,
                                        {.filters = 2, .window = 3});
  const Parameter query =
      parameters.scope().parameter("query", {kBatch, kWidth}, nn::init::normal());
  for (const bool masked : {false, true}) {
    const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      const Variable mask =
          masked ? tape.input(nn::length_mask(nn::Lengths{4, 0, 2}, kSteps)) : Variable();
      const auto memory =
          attention.prepare(data_input(tape, set, {kBatch, kSteps, kWidth}, data), mask);
      Recorded result;
      Variable q = tape.use(query), weights = attention.first(memory);
      for (int step = 0; step < 3; ++step) {
        const nn::Attended attended = attention(q, memory, weights);
        weights = attended.weights;
        q = tanh(q + attended.context);
        result.values.insert(result.values.end(), {attended.context, weights});
      }
      result.loss = weighed(tape, set, weights, data) + weighed(tape, set, q, data, 1001);
      return result;
    };
    check_law(model, parameters, some_options());
  }
}

TEST_CASE("passes agree on Transformers", "[passes][nn]") {
  for (const bool norm_first : {false, true}) {
    for (const double dropout : {0.0, 0.3}) {
      ParameterSet parameters(3);
      const nn::TransformerEncoder encoder(parameters.scope("encoder"), 2, kWidth,
                                           tiny(norm_first, dropout));
      const nn::TransformerDecoder decoder(parameters.scope("decoder"), 1, kWidth,
                                           tiny(norm_first, dropout));
      const nn::LearnedPositionalEncoding places(parameters.scope("places"), kSteps, kWidth);
      const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
        const Shape shape{kSteps, kBatch, kWidth};
        const Variable memory =
            encoder(places(data_input(tape, set, shape, data)), {.lengths = {4, 0, 2}});
        const Variable out = decoder(data_input(tape, set, shape, data, 1), memory,
                                     {.lengths = {1, 3, 4}, .memory_lengths = {4, 0, 2}});
        return Recorded{weighed(tape, set, out, data), {memory, out}};
      };
      check_law(model, parameters, some_options());
    }
  }
}

TEST_CASE("passes agree on a Transformer step by step", "[passes][nn]") {
  ParameterSet parameters(4);
  const nn::TransformerDecoder decoder(parameters.scope(), 2, kWidth, tiny(true, 0));
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    const Variable source = data_input(tape, set, {kSteps, kBatch, kWidth}, data);
    const auto memory = decoder.prepare(source, nn::Lengths{4, 1, 2});
    auto state = decoder.initial_state(source, kBatch);
    Variable x = data_input(tape, set, {kBatch, kWidth}, data, 1);
    Recorded result;
    for (int step = 0; step < 3; ++step) {
      auto next = decoder.step(x, state, memory);
      x = tanh(next.output);
      state = std::move(next.state);
      result.values.push_back(x);
    }
    result.loss = weighed(tape, set, x, data);
    return result;
  };
  check_law(model, parameters, some_options());
}
