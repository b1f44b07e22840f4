#include <unroll/nn/attention.h>

#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 3, kSteps = 4, kWidth = 2;
const Tensor kMask(Shape{kBatch, kSteps}, {true, true, false, true,       //
                                           true, true, true, true,        //
                                           false, false, false, false});  // nothing to see

/// Values and gradients of context and weights, by query, memory and parameters.
template <class Attention>
void check_kind(const Attention& attention, const nn::ParameterSet& parameters) {
  nn::ParameterSet all = parameters;
  const nn::Scope sources = all.scope("sources");
  const nn::Parameter query = sources.parameter("query", {kBatch, kWidth}, nn::init::normal());
  const nn::Parameter values =
      sources.parameter("values", {kBatch, kSteps, kWidth}, nn::init::normal());
  const Tensor c = testing::uniform({kBatch, kWidth}), w = testing::uniform({kBatch, kSteps});
  for (const bool masked : {false, true}) {
    const auto report = gradcheck(all, [&](Tape& tape) {
      const Variable mask = masked ? tape.input(kMask) : Variable();
      const auto memory = attention.prepare(tape.use(values), mask);
      const auto [context, weights] = attention(tape.use(query), memory);
      return sum(context * tape.input(c)) + sum(weights * tape.input(w));
    });
    INFO((masked ? "masked: " : "unmasked: ") << report.message);
    CHECK(report.ok);
  }

  Tape tape;
  const auto look = [&](const Tensor& memory) {
    return attention(tape.use(query), attention.prepare(tape.input(memory), tape.input(kMask)));
  };
  Tensor poisoned = values.value();
  const auto elements = poisoned.mutable_data<double>();
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (kMask.at(static_cast<std::int64_t>(i) / kWidth) == 0) {
      elements[i] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  const auto clean = look(values.value()), other = look(poisoned);
  CHECK(clean.context.value().identical(other.context.value()));
  const Tensor weights = other.weights.value();
  CHECK(weights.identical(clean.weights.value()));
  for (std::int64_t b = 0; b < kBatch; ++b) {
    double total = 0;
    for (std::int64_t s = 0; s < kSteps; ++s) {
      total += weights.at(b * kSteps + s);
      if (kMask.at(b * kSteps + s) == 0) CHECK(weights.at(b * kSteps + s) == 0);
    }
    CHECK(total == Approx(b < 2 ? 1 : 0));
  }
  for (std::int64_t i = 0; i < kWidth; ++i) CHECK(other.context.value().at(2 * kWidth + i) == 0);
}

}  // namespace

TEST_CASE("Additive attention: gradients and masks", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  check_kind(nn::AdditiveAttention(parameters.scope("a"), kWidth, kWidth, 3), parameters);
  CHECK(parameters.at("a.score").shape() == Shape{3});
}

TEST_CASE("General attention: gradients and masks", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  check_kind(nn::GeneralAttention(parameters.scope("a"), kWidth, kWidth), parameters);
  CHECK(parameters.at("a.memory.weight").shape() == Shape{kWidth, kWidth});
}

TEST_CASE("Dot attention: gradients and masks", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  check_kind(nn::DotAttention(), parameters);
  check_kind(nn::DotAttention(true), parameters);
}

TEST_CASE("Scores are those of the formulas", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::AdditiveAttention additive(parameters.scope("a"), 2, 3, 2);
  const nn::GeneralAttention general(parameters.scope("g"), 2, 3);
  Tape tape;
  const Tensor q = testing::uniform({1, 2}), m = testing::uniform({1, 2, 3});
  const auto at = [&](const char* name, std::int64_t i) {
    return parameters.at(name).value().at(i);
  };
  double additive_scores[2] = {}, general_scores[2] = {};
  for (std::int64_t s = 0; s < 2; ++s) {
    for (std::int64_t a = 0; a < 2; ++a) {
      double inside = at("a.memory.bias", a), key = 0;
      for (std::int64_t i = 0; i < 2; ++i) inside += at("a.query.weight", a * 2 + i) * q.at(i);
      for (std::int64_t i = 0; i < 3; ++i) {
        inside += at("a.memory.weight", a * 3 + i) * m.at(s * 3 + i);
        key += at("g.memory.weight", a * 3 + i) * m.at(s * 3 + i);
      }
      additive_scores[s] += at("a.score", a) * std::tanh(inside);
      general_scores[s] += q.at(a) * key;
    }
  }
  const auto first_weight = [](const double(&scores)[2]) {
    return 1 / (1 + std::exp(scores[1] - scores[0]));
  };
  const Variable query = tape.input(q), values = tape.input(m);
  CHECK(additive(query, additive.prepare(values)).weights.value().at(0) ==
        Approx(first_weight(additive_scores)).epsilon(1e-12));
  CHECK(general(query, general.prepare(values)).weights.value().at(0) ==
        Approx(first_weight(general_scores)).epsilon(1e-12));
}

TEST_CASE("The scaled dot score is the dot score over the root of the width", "[nn]") {
  Tape tape;
  const Variable q = tape.input(testing::uniform({2, 4})),
                 m = tape.input(testing::uniform({2, 3, 4}));
  const nn::DotAttention plain, scaled(true);
  const Tensor a = scaled(q, scaled.prepare(m)).weights.value();
  const Tensor b = plain(q / 2.0, plain.prepare(m)).weights.value();
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a.at(i) == Approx(b.at(i)).epsilon(1e-13));
}
