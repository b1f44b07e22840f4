// Search over models that are a step of Variables and a state.
#include <unroll/nn/decoder.h>

#include <cmath>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/made_up_model.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kWords = 7, kWidth = 5;

/// A language model over its own state, which has parts of different form and rank.
struct Model {
  struct State {
    std::vector<nn::LSTMCell::State> layers;
    Variable coverage;  ///< [n, 2, 2]: what it has seen
  };
  nn::ParameterSet parameters{3};
  nn::Embedding embedding{parameters.scope("embedding"), kWords, kWidth};
  nn::LSTMCell lower{parameters.scope("lower"), kWidth, kWidth},
      upper{parameters.scope("upper"), kWidth, kWidth};
  nn::Linear output{parameters.scope("output"), kWidth + 4, kWords};

  nn::DecoderStep<State> step(const Variable& ids, const State& state) const {
    const auto below = lower.step(embedding(ids), state.layers[0]);
    const auto above = upper.step(below.h, state.layers[1]);
    const Variable sum = state.coverage + reshape(slice(tanh(above.h * 4.0), 1, 0, 4), {-1, 2, 2});
    const Variable logits = output(concat({above.h, reshape(sum, {-1, 4})}, -1)) * 6.0;
    return {logits, {{below, above}, sum}, reshape(sum, {-1, 4})};
  }
  State initial(Tape& tape, const Tensor& coverage) const {
    const Variable start = tape.input(coverage);
    const std::int64_t n = coverage.shape()[0];
    return {{lower.initial_state(start, n), upper.initial_state(start, n)}, start};
  }
};

Tensor starts(std::int64_t sentences) {
  return random_uniform({sentences, 2, 2}, 5, -2, 2).to(Dtype::float32);
}

/// The log-probability of a hypothesis, the plain way: one row, one tape, token by token.
double log_probability_of(const Model& model, const Tensor& start, const nn::Hypothesis& h,
                          std::int32_t begin, std::int32_t end) {
  Tape tape({.training = false});
  auto state = model.initial(tape, start);
  std::vector<std::int32_t> fed{begin}, expected = h.tokens;
  fed.insert(fed.end(), h.tokens.begin(), h.tokens.end());
  if (h.ended) expected.push_back(end);
  double total = 0;
  for (std::size_t t = 0; t < expected.size(); ++t) {
    const auto step = model.step(tape.input(Tensor(Shape{1}, {fed[t]})), state);
    total += log_softmax(step.logits).value().at(expected[t]);
    state = step.state;
  }
  return total;
}

}  // namespace

TEST_CASE("Decoder: every part of a state follows its hypothesis", "[nn]") {
  const Model model;
  constexpr std::int64_t kSentences = 4;
  const Tensor start = starts(kSentences);
  Tape tape;
  auto steps = nn::decoder(
      [&](Tape&, const Variable& ids, const Model::State& state) { return model.step(ids, state); },
      model.initial(tape, start));
  CHECK(steps.sentences() == kSentences);
  const nn::DecodingOptions options{.max_length = 9, .beam_size = 4, .n_best = 4, .temperature = 2};
  const auto beams = nn::beam_search(steps, options);
  const auto drawn = nn::sample(steps, options);
  const auto greedy = nn::greedy(steps, options);
  REQUIRE(beams.size() == kSentences);
  std::size_t moved = 0;
  for (std::size_t s = 0; s < kSentences; ++s) {
    const std::vector<std::int32_t> own{static_cast<std::int32_t>(s)};
    const Tensor alone = nn::gather_rows(start, own);
    std::vector<nn::Hypothesis> all = beams[s];
    all.insert(all.end(), drawn[s].begin(), drawn[s].end());
    all.push_back(greedy[s]);
    for (const nn::Hypothesis& h : all) {
      CHECK(h.log_probability ==
            Approx(log_probability_of(model, alone, h, options.begin, options.end)).epsilon(1e-4));
      CHECK(h.attention.shape().rank() == 2);
      CHECK(h.attention.shape().extent(-1) == 4);
    }
    moved += beams[s][0].tokens != greedy[s].tokens ? 1 : 0;

    Tape other;
    auto one = nn::decoder([&](Tape&, const Variable& ids,
                               const Model::State& state) { return model.step(ids, state); },
                           model.initial(other, alone));
    CHECK(nn::greedy(one, options)[0].tokens == greedy[s].tokens);
    CHECK(nn::beam_search(one, options)[0][0].tokens == beams[s][0].tokens);
    nn::DecodingOptions seeded = options;
    seeded.seeds = {mix(options.seed, s)};
    const auto again = nn::sample(one, seeded);
    for (std::size_t k = 0; k < 4; ++k) CHECK(again[0][k].tokens == drawn[s][k].tokens);
  }
  INFO("beams that are not greedy: " << moved);
  CHECK(moved > 0);
}

TEST_CASE("Decoder: a memory stays with its sentence", "[nn]") {
  // The logits say: the sentence's own token until the state has counted to two, then the end.
  Tape tape;
  const Variable tokens = tape.input(Tensor(Shape{3}, {4, 6, 5}));
  const Variable count = tape.input(Tensor(Shape{3, 1}));
  struct Result {
    Variable logits, state;
  };
  auto steps = nn::decoder(
      [](Tape&, const Variable&, const Variable& state, const Variable& memory) {
        const Variable over = state >= 2.0;
        const Variable end = input_like(state, Tensor(Shape{1}, {kEnd}));
        const Variable next = where(reshape(over, {-1}), end, memory);
        return Result{one_hot(next, kWords) * 9.0, state + 1.0};
      },
      count, tokens);
  for (int run = 0; run < 2; ++run) {
    const auto found = nn::beam_search(steps, {.beam_size = 3});
    for (std::size_t s = 0; s < 3; ++s) {
      const std::int32_t own = s == 0 ? 4 : s == 1 ? 6 : 5;
      CHECK(found[s][0].tokens == std::vector<std::int32_t>{own, own});
      CHECK(found[s][0].attention.size() == 0);
    }
  }
}

TEST_CASE("Decoder: a Transformer writes step by step", "[nn]") {
  constexpr std::int64_t kSource = 3;
  nn::ParameterSet parameters(5);
  const nn::Embedding embedding(parameters.scope("embedding"), kWords, 4);
  const nn::TransformerDecoder net(parameters.scope("decoder"), 2, 4,
                                   {.layer = {.heads = 2, .feedforward = 6}});
  const nn::Linear output(parameters.scope("output"), 4, kWords);
  const Tensor source = random_uniform({kSource, 2, 4}, 3).to(Dtype::float32);
  struct State {
    nn::TransformerDecoder::State layers;
    Variable step;  ///< [n, 1]
  };
  Tape tape;
  const Variable memory = tape.input(source);
  auto steps = nn::decoder(
      [&](Tape&, const Variable& ids, const State& state,
          const nn::TransformerDecoder::Memory& prepared) {
        auto next = net.step(embedding(ids) + state.step * 0.1, state.layers, prepared);
        return nn::DecoderStep<State>{output(next.output) * 4.0,
                                      {std::move(next.state), state.step + 1.0},
                                      mean(next.weights, 1)};
      },
      State{net.initial_state(memory, 2), nn::zeros_like(memory, {2, 1})},
      net.prepare(memory, nn::Lengths{3, 2}));
  const auto found = nn::beam_search(steps, {.max_length = 6, .min_length = 4, .beam_size = 3});
  for (std::size_t s = 0; s < 2; ++s) {
    // The same as the whole prefix at once.
    const nn::Hypothesis& h = found[s][0];
    std::vector<std::int32_t> fed{2}, expected = h.tokens;
    fed.insert(fed.end(), h.tokens.begin(), h.tokens.end());
    if (h.ended) expected.push_back(3);
    fed.resize(expected.size());
    const auto n = static_cast<std::int64_t>(fed.size());
    Tape other;
    std::vector<float> counts;
    for (std::int64_t t = 0; t < n; ++t) counts.push_back(static_cast<float>(t));
    const Variable x = embedding(other.input(Tensor(Shape{n, 1}, fed))) +
                       other.input(Tensor(Shape{n, 1, 1}, counts)) * 0.1;
    const auto own = static_cast<std::int64_t>(s);
    const Variable seen = slice(other.input(source), 1, own, own + 1);
    const nn::TransformerDecoderCall call{.memory_lengths = {s == 0 ? 3 : 2}};
    const Tensor scores = log_softmax(output(net(x, seen, call)) * 4.0).value();
    double total = 0;
    for (std::int64_t t = 0; t < n; ++t) {
      total += scores.at(t * kWords + expected[static_cast<std::size_t>(t)]);
    }
    CHECK(h.log_probability == Approx(total).epsilon(1e-4));
    CHECK(h.attention.shape() == Shape{n, kSource});
  }
}

TEST_CASE("Decoder says what is wrong", "[nn]") {
  Tape tape;
  const auto step = [](Tape&, const Variable&, const Variables& state) {
    return nn::DecoderStep<Variables>{state[0], state};
  };
  const Variable two = tape.input(Tensor(Shape{2, 3})), three = tape.input(Tensor(Shape{3, 3}));
  CHECK_THROWS_AS(nn::decoder(step, Variables{}), ValueError);
  CHECK_THROWS_AS(nn::decoder(step, std::vector{two, three}), ShapeError);
  CHECK_THROWS_AS(nn::decoder(step, std::vector{two}, three), ShapeError);
  CHECK_THROWS_AS(nn::decoder(step, std::vector{tape.constant(1)}), ShapeError);
}

TEST_CASE("A decoder whose step threw goes on from the step before", "[nn]") {
  ParameterSet parameters(1);
  const nn::GRUCell cell(parameters.scope("cell"), kWidth, kWidth);
  const nn::Embedding embedding(parameters.scope("embedding"), kWords, kWidth);
  const nn::Linear output(parameters.scope("output"), kWidth, kWords);
  bool fails = false;
  const auto make = [&] {
    Tape tape;
    return nn::decoder(
        [&](Tape&, const Variable& ids, const Variable& h) {
          const Variable next = cell.step(embedding(ids), h);
          if (fails) throw StateError("no more");
          return nn::DecoderStep<Variable>{output(next), next};
        },
        tape.input(Tensor(Shape{2, kWidth})));
  };
  using Rows = std::vector<std::int32_t>;
  auto right = make(), disturbed = make();
  for (const auto& [ids, parents] :
       {std::pair{Rows{1, 2}, Rows{0, 1}}, {Rows{3, 4, 5}, Rows{1, 0, 1}}, {Rows{2}, Rows{2}}}) {
    fails = true;
    CHECK_THROWS_AS(disturbed(ids, parents), StateError);
    fails = false;
    CHECK_THROWS_AS(disturbed(Rows{1}, Rows{7}), ValueError);
    CHECK_THROWS_AS(disturbed(Rows{1, 2}, Rows{0}), ValueError);
    CHECK_THROWS_AS(disturbed(Rows{100}, Rows{0}), ValueError);
    CHECK(
        disturbed(ids, parents).log_probabilities.identical(right(ids, parents).log_probabilities));
  }
}
