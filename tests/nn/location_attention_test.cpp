#include <unroll/nn/location_attention.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

TEST_CASE("Location attention: scores are those of the formula", "[nn]") {
  constexpr std::int64_t kSteps = 4, kWidth = 3, kFilters = 2, kWindow = 3;
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::LocationAttention attention(parameters.scope("a"), 2, 2, kWidth,
                                        {.filters = kFilters, .window = kWindow});
  const Tensor q = testing::uniform({1, 2}), m = testing::uniform({1, kSteps, 2}),
               last = testing::uniform({1, kSteps}, 0, 1);
  const auto at = [&](const char* name, std::int64_t i) {
    return parameters.at(name).value().at(i);
  };
  std::array<double, kSteps> expected{};
  double total = 0;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    double score = 0;
    for (std::int64_t a = 0; a < kWidth; ++a) {
      double inside = at("a.memory.bias", a);
      for (std::int64_t i = 0; i < 2; ++i) {
        inside += at("a.query.weight", a * 2 + i) * q.at(i) +
                  at("a.memory.weight", a * 2 + i) * m.at(s * 2 + i);
      }
      for (std::int64_t f = 0; f < kFilters; ++f) {
        for (std::int64_t w = 0; w < kWindow; ++w) {
          const std::int64_t place = s + w - 1;
          if (place < 0 || place >= kSteps) continue;
          inside += at("a.location.weight", a * kFilters + f) * at("a.filters", f * kWindow + w) *
                    last.at(place);
        }
      }
      score += at("a.score", a) * std::tanh(inside);
    }
    total += expected[static_cast<std::size_t>(s)] = std::exp(score);
  }
  Tape tape;
  const auto [context, weights] =
      attention(tape.input(q), attention.prepare(tape.input(m)), tape.input(last));
  for (std::int64_t s = 0; s < kSteps; ++s) {
    CHECK(weights.value().at(s) ==
          Approx(expected[static_cast<std::size_t>(s)] / total).epsilon(1e-12));
  }
}

TEST_CASE("Location attention: gradients over several steps, and masks", "[nn]") {
  constexpr std::int64_t kBatch = 3, kSteps = 4;
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::LocationAttention attention(parameters.scope("a"), 2, 2, 3,
                                        {.filters = 2, .window = 5});
  const Tensor mask = Tensor(Shape{kBatch, kSteps}, {true, true, true, true,    //
                                                     true, true, false, false,  //
                                                     false, false, false, false});
  Tensor values = testing::uniform({kBatch, kSteps, 2});
  for (std::int64_t i = 0; i < values.size(); ++i) {
    if (mask.at(i / 2) == 0) {
      values.mutable_data<double>()[static_cast<std::size_t>(i)] =
          std::numeric_limits<double>::quiet_NaN();
    }
  }
  const auto query = parameters.scope("q").parameter("q", {kBatch, 2}, nn::init::normal());
  const Tensor c = testing::uniform({kBatch, kSteps});
  Variables all;
  const auto walk = [&](Tape& tape) {
    const auto memory = attention.prepare(tape.input(values), tape.input(mask));
    Variable weights = attention.first(memory), q = tape.use(query);
    all.assign(1, weights);
    for (int step = 0; step < 3; ++step) {
      const nn::Attended attended = attention(q, memory, weights);
      weights = attended.weights;
      q = tanh(q + attended.context);
      all.push_back(weights);
    }
    return sum(weights * tape.input(c)) + sum(q);
  };
  const auto report = gradcheck(parameters, walk);
  INFO(report.message);
  CHECK(report.ok);
  Tape tape;
  CHECK(std::isfinite(walk(tape).item()));
  for (const Variable& weights : all) {
    const Tensor w = weights.value();
    for (std::int64_t b = 0; b < kBatch; ++b) {
      double total = 0;
      for (std::int64_t s = 0; s < kSteps; ++s) {
        total += w.at(b * kSteps + s);
        if (mask.at(b * kSteps + s) == 0) CHECK(w.at(b * kSteps + s) == 0);
      }
      CHECK(total == Approx(b < 2 ? 1 : 0));
    }
  }
  CHECK(all[0].value().at(kSteps) == 0.5);
  const std::size_t before = parameters.size();
  CHECK_THROWS_AS(nn::LocationAttention(parameters.scope("b"), 2, 2, 3, {.window = 4}), ValueError);
  CHECK(parameters.size() == before);
}
