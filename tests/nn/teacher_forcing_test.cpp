#include <unroll/nn/teacher_forcing.h>

#include <array>
#include <cmath>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr std::int64_t kWords = 6, kWidth = 4, kSteps = 5, kBatch = 3;

struct Model {
  nn::ParameterSet parameters;
  nn::Embedding embedding;
  nn::GRUCell cell;
  nn::Linear output;

  explicit Model(Dtype dtype = Dtype::float32)
      : parameters(4, dtype),
        embedding(parameters.scope("embedding"), kWords, kWidth),
        cell(parameters.scope("cell"), kWidth, kWidth),
        output(parameters.scope("output"), kWidth, kWords) {}

  nn::DecoderStep<Variable> operator()(Tape&, const Variable& ids, const Variable& h) const {
    const Variable next = cell.step(embedding(ids), h);
    return {output(next) * 5.0, next};
  }
  Variable start(Tape& tape) const {
    return tape.input(random_uniform({kBatch, kWidth}, 3).to(parameters.dtype()));
  }
};

const Tensor kTokens(Shape{kSteps, kBatch}, {2, 2, 2, 4, 5, 1, 5, 5, 0, 1, 4, 4, 3, 0, 5});

Tensor logits_with(const Model& model, const nn::ScheduledSampling& sampling, bool training = true,
                   std::uint64_t seed = 0) {
  Tape tape({.training = training, .seed = seed});
  return nn::teacher_forced(tape, model, model.start(tape), tape.input(kTokens), sampling)
      .logits.value();
}

}  // namespace

TEST_CASE("Teacher forcing feeds the true tokens", "[nn]") {
  const Model model;
  Tape tape;
  const auto forced = nn::teacher_forced(tape, model, model.start(tape), tape.input(kTokens));
  REQUIRE(forced.logits.shape() == Shape{kSteps, kBatch, kWords});
  CHECK_FALSE(forced.attention.defined());
  Variable h = model.start(tape);
  Variables logits;
  for (std::int64_t t = 0; t < kSteps; ++t) {
    const auto step = model(tape, select(tape.input(kTokens), 0, t), h);
    logits.push_back(step.logits);
    h = step.state;
  }
  const Tensor expected = stack(logits).value();
  CHECK(forced.logits.value().identical(expected));
  CHECK(forced.last.value().identical(h.value()));
  CHECK(logits_with(model, {.probability = 0}).identical(expected));
  CHECK(logits_with(model, {.probability = 1}, false).identical(expected));  // not in training
  CHECK_FALSE(logits_with(model, {.probability = 1}).identical(expected));
  CHECK_THROWS_AS(logits_with(model, {.probability = 1.5}), ValueError);
  CHECK_THROWS_AS(nn::teacher_forced(tape, model, h, tape.input(Tensor(Shape{0, 3}, Dtype::int32))),
                  ShapeError);
}

TEST_CASE("Scheduled sampling with probability 1 is greedy choice", "[nn]") {
  const Model model;
  Tape tape;
  auto steps = nn::decoder(model, model.start(tape));
  const auto greedy = nn::greedy(steps, {.end = 99, .max_length = kSteps});
  const Tensor logits = logits_with(model, {.probability = 1});
  CHECK(logits_with(model, {.probability = 1, .in_evaluation = true}, false).identical(logits));
  const Tensor chosen = argmax(tape.input(logits), -1).value();
  bool all_true = true;
  for (std::int64_t t = 0; t < kSteps; ++t) {
    for (std::int64_t b = 0; b < kBatch; ++b) {
      const double token = chosen.at(t * kBatch + b);
      CHECK(token == greedy[static_cast<std::size_t>(b)].tokens.at(static_cast<std::size_t>(t)));
      if (t + 1 < kSteps) all_true = all_true && token == kTokens.at((t + 1) * kBatch + b);
    }
  }
  CHECK_FALSE(all_true);
}

TEST_CASE("Scheduled sampling chooses as often as it is told", "[nn]") {
  constexpr std::int64_t kRows = 20000, kClasses = 4;
  Tape tape({.seed = 3});
  const std::array<double, kClasses> p{0.1, 0.5, 0.25, 0.15};
  std::vector<float> scores;
  for (std::int64_t b = 0; b < kRows; ++b) {
    for (const double x : p) scores.push_back(static_cast<float>(std::log(x) + 2));
  }
  const Variable logits = tape.input(Tensor(Shape{kRows, kClasses}, scores));
  const Variable truth = tape.input(Tensor::full({kRows}, 9, Dtype::int32));
  const Tensor some = nn::next_tokens(truth, logits, {.probability = 0.3}).value();
  int own = 0;
  for (std::int64_t b = 0; b < kRows; ++b) {
    CHECK((some.at(b) == 9 || some.at(b) == 1));
    own += some.at(b) == 1 ? 1 : 0;
  }
  CHECK(std::abs(own - 0.3 * kRows) < 4 * std::sqrt(0.3 * 0.7 * kRows));

  std::array<int, kClasses> counts{};
  const Tensor drawn = nn::next_tokens(truth, logits, {.probability = 1, .draw = true}).value();
  for (std::int64_t b = 0; b < kRows; ++b) ++counts.at(static_cast<std::size_t>(drawn.at(b)));
  double chi_square = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    const double expected = kRows * p[c];
    chi_square += (counts[c] - expected) * (counts[c] - expected) / expected;
  }
  CHECK(chi_square < 16.3);  // exceeded with probability 0.001 at 3 degrees of freedom
  CHECK(nn::next_tokens(truth, logits, {}).same_node(truth));

  const Model model;
  const nn::ScheduledSampling sampling{.probability = 0.5, .draw = true};
  CHECK(logits_with(model, sampling, true, 1).identical(logits_with(model, sampling, true, 1)));
  CHECK_FALSE(
      logits_with(model, sampling, true, 1).identical(logits_with(model, sampling, true, 2)));
}

TEST_CASE("No gradient flows through the choice of tokens", "[nn]") {
  const Model model(Dtype::float64);
  for (const bool draw : {false, true}) {
    const auto report = gradcheck(model.parameters,
                                  [&](Tape& tape) {
                                    const auto forced = nn::teacher_forced(
                                        tape, model, model.start(tape), tape.input(kTokens),
                                        {.probability = 0.6, .draw = draw});
                                    return cross_entropy(forced.logits, tape.input(kTokens));
                                  },
                                  {.exhaustive_limit = 0, .directions = 24});
    INFO(report.message);
    CHECK(report.ok);
  }
}

TEST_CASE("EncoderDecoder: scheduled sampling", "[nn]") {
  const Tensor source(Shape{2, 3}, {4, 5, 6, 5, 4, 0});
  const Tensor target(Shape{2, 5}, {2, 4, 5, 4, 3, 2, 5, 3, 0, 0});
  nn::ParameterSet parameters(1);
  const nn::EncoderDecoder<> model(
      parameters.scope(),
      {.source_vocabulary = 8, .target_vocabulary = 7, .embedding = 4, .hidden = 4});
  const auto loss = [&](double probability, bool training) {
    Tape tape({.training = training, .seed = 5});
    return model.loss(tape, source, target, {.sampling = {.probability = probability}}).item();
  };
  CHECK(loss(0, true) == loss(0.9, false));
  CHECK(loss(0, true) != loss(1, true));
  // The same with the general function, for any model with a step.
  Tape tape({.seed = 5});
  const auto encoded = model.encode(tape, source);
  const auto step = [&](Tape&, const Variable& ids, const auto& state) {
    return model.decode_step(encoded.memory, state, ids);
  };
  const auto forced = nn::teacher_forced(tape, step, encoded.state,
                                         tape.input(nn::time_first(nn::columns(target, 0, 4))));
  CHECK(forced.attention.shape() == Shape{4, 2, 3});
  const Variable labels = tape.input(nn::time_first(nn::columns(target, 1, 5)));
  CHECK(cross_entropy(forced.logits, labels, {.ignore_index = 0}).item() ==
        Approx(loss(0, true)).epsilon(1e-6));
}

TEST_CASE("The schedule rises from nearly 0 to 1", "[nn]") {
  CHECK(nn::inverse_sigmoid_schedule(0, 9) == Approx(0.1));
  CHECK(nn::inverse_sigmoid_schedule(1000, 20) == Approx(1).epsilon(1e-12));
  const auto middle = static_cast<std::int64_t>(std::lround(50 * std::log(50.0)));
  CHECK(nn::inverse_sigmoid_schedule(middle, 50) == Approx(0.5).epsilon(0.02));
  CHECK_THROWS_AS(nn::inverse_sigmoid_schedule(0, 0), ValueError);
  CHECK_THROWS_AS(nn::inverse_sigmoid_schedule(0, std::nan("")), ValueError);
}
