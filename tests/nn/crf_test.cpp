// Crf: against all sequences of tags, gradients, padding, errors.
#include <unroll/nn/crf.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/check_gradients.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kSteps = 4, kBatch = 5, kTags = 3;
const std::vector<std::int32_t> kLengths{4, 1, 0, 3, 2};

struct Model {
  explicit Model(bool products = false)
      : crf(parameters.scope("crf"), kTags,
            {.initializer = nn::init::normal(), .products = products}) {}
  nn::ParameterSet parameters{5, Dtype::float64};
  nn::Crf crf;
};

/// Calls f(tags, score) for every sequence of tags of sequence b of `emissions`.
void for_each_path(const nn::Crf& crf, const Tensor& emissions, std::int64_t b,
                   const std::function<void(const std::vector<std::int32_t>&, double)>& f) {
  const std::int32_t steps = kLengths[static_cast<std::size_t>(b)];
  std::vector<std::int32_t> tags(static_cast<std::size_t>(steps));
  std::int64_t paths = 1;
  for (std::int32_t t = 0; t < steps; ++t) paths *= kTags;
  for (std::int64_t path = 0; path < paths; ++path) {
    double score = 0;
    for (std::int64_t t = 0, rest = path; t < steps; ++t, rest /= kTags) {
      const std::int64_t tag = rest % kTags;
      tags[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(tag);
      score += emissions.at((t * kBatch + b) * kTags + tag);
      if (t == 0) score += crf.start.value().at(tag);
      if (t == steps - 1) score += crf.end.value().at(tag);
      if (t > 0) {
        score += crf.transitions.value().at(tags[static_cast<std::size_t>(t - 1)] * kTags + tag);
      }
    }
    f(tags, score);
  }
}

/// Tags int32 [T, B] that begin with `path` in column b, and are no tags elsewhere.
Tensor tags_with(const std::vector<std::int32_t>& path, std::int64_t b) {
  Tensor tags = Tensor::full({kSteps, kBatch}, 0, Dtype::int32);
  const auto out = tags.mutable_data<std::int32_t>();
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (static_cast<std::int32_t>(k / kBatch) >= kLengths[k % kBatch]) out[k] = -9;
  }
  for (std::size_t t = 0; t < path.size(); ++t) {
    out[t * kBatch + static_cast<std::size_t>(b)] = path[t];
  }
  return tags;
}

/// Emissions with NaN where padded.
Tensor dirty_emissions() {
  Tensor x = uniform({kSteps, kBatch, kTags});
  const auto out = x.mutable_data<double>();
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (static_cast<std::int32_t>(k / kTags / kBatch) >= kLengths[k / kTags % kBatch]) {
      out[k] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return x;
}

}  // namespace

TEST_CASE("Crf agrees with the sum and the best of all sequences of tags", "[nn][crf]") {
  const Model model(GENERATE(false, true));
  const Tensor x = dirty_emissions();
  Tape tape;
  const Variable emissions = tape.input(x);
  const Tensor partition = model.crf.log_partition(emissions, kLengths).value();
  const Tensor marginals = model.crf.marginals(emissions, kLengths).value();
  const auto best = model.crf.decode(x, kLengths);
  REQUIRE(partition.shape() == Shape{kBatch});
  REQUIRE(best.size() == kBatch);
  std::vector<double> expected_marginals(static_cast<std::size_t>(x.size()));
  for (std::int64_t b = 0; b < kBatch; ++b) {
    double total = 0, largest = -std::numeric_limits<double>::infinity();
    std::vector<std::int32_t> of_largest;
    for_each_path(model.crf, x, b, [&](const std::vector<std::int32_t>& tags, double score) {
      total += std::exp(score);
      if (score > largest) {
        largest = score;
        of_largest = tags;
      }
    });
    CHECK(partition.at(b) == Approx(std::log(total)).epsilon(1e-13).margin(1e-13));
    CHECK(best[static_cast<std::size_t>(b)].tags == of_largest);
    // Scores are sums of terms around 1 that may cancel: their rounding does not shrink with them.
    CHECK(best[static_cast<std::size_t>(b)].score == Approx(largest).epsilon(1e-13).margin(1e-13));
    double probabilities = 0;
    for_each_path(model.crf, x, b, [&](const std::vector<std::int32_t>& tags, double score) {
      const Tensor padded = tags_with(tags, b);
      CHECK(model.crf.score(emissions, padded, kLengths).value().at(b) ==
            Approx(score).epsilon(1e-13).margin(1e-13));
      const nn::CrfLossOptions options{.lengths = kLengths, .reduction = Reduction::none};
      const double loss = model.crf.loss(emissions, padded, options).value().at(b);
      probabilities += std::exp(-loss);
      for (std::size_t t = 0; t < tags.size(); ++t) {
        const std::size_t row = t * kBatch + static_cast<std::size_t>(b);
        expected_marginals[row * kTags + static_cast<std::size_t>(tags[t])] +=
            std::exp(score) / total;
      }
    });
    CHECK(probabilities == Approx(1).epsilon(1e-12));
  }
  check_close(marginals, Tensor(x.shape(), expected_marginals), 1e-13);
}

TEST_CASE("Crf losses are reduced over sequences; full lengths need not be given", "[nn][crf]") {
  const Model model;
  Tape tape;
  const Variable x = tape.input(uniform({kSteps, 2, kTags}));
  const Tensor tags(Shape{kSteps, 2}, {0, 1, 2, 1, 1, 0, 2, 2});
  const auto loss = [&](nn::Lengths lengths, Reduction reduction) {
    return model.crf.loss(x, tags, {.lengths = std::move(lengths), .reduction = reduction}).value();
  };
  const Tensor losses = loss({}, Reduction::none);
  REQUIRE(losses.shape() == Shape{2});
  CHECK(losses.identical(loss({4, 4}, Reduction::none)));
  CHECK(loss({}, Reduction::sum).item() == Approx(losses.at(0) + losses.at(1)));
  CHECK(loss({}, Reduction::mean).item() == Approx((losses.at(0) + losses.at(1)) / 2));
  CHECK(loss({0, 4}, Reduction::none).at(0) == 0);
  CHECK(loss({0, 4}, Reduction::none).at(1) == Approx(losses.at(1)));
}

TEST_CASE("Crf losses have right gradients of first and second order", "[nn][crf][gradcheck]") {
  Model model(GENERATE(false, true));
  const Tensor tags = tags_with({2, 2, 0, 1}, 0);
  for (const Reduction reduction : {Reduction::none, Reduction::mean}) {
    const nn::CrfLossOptions options{.lengths = kLengths, .reduction = reduction};
    check_gradients(
        [&](std::span<const Variable> x) { return model.crf.loss(x[0], tags, options); },
        {uniform({kSteps, kBatch, kTags})});
  }
  check_gradients([&](std::span<const Variable> x) { return model.crf.marginals(x[0], kLengths); },
                  {uniform({kSteps, kBatch, kTags})}, false);
  const Tensor x = uniform({kSteps, kBatch, kTags});
  const GradcheckReport report = gradcheck(model.parameters, [&](Tape& tape) {
    return model.crf.loss(tape.input(x), tags, {.lengths = kLengths});
  });
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Crf: padded steps have no influence, not even as NaN", "[nn][crf]") {
  const Model model(GENERATE(false, true));
  const Tensor dirty = dirty_emissions();
  Tensor clean = dirty;
  for (double& v : clean.mutable_data<double>()) v = std::isnan(v) ? 1 : v;
  Tape tape;
  std::vector<Tensor> losses, found;
  for (const Tensor& value : {clean, dirty}) {
    const Variable x = tape.input(value);
    const Variable loss = model.crf.loss(x, tags_with({1, 0, 2, 2}, 0), {.lengths = kLengths});
    losses.push_back(loss.value());
    found.push_back(gradients(loss, {x})[0].value());
  }
  CHECK(losses[0].identical(losses[1]));
  CHECK(found[0].identical(found[1]));
  for (std::int64_t i = 0; i < dirty.size(); ++i) {
    if (std::isnan(dirty.at(i))) CHECK(found[1].at(i) == 0);
  }
}

TEST_CASE("Crf: a NaN at a real step makes that loss NaN", "[nn][crf]") {
  const Model model(GENERATE(false, true));
  Tensor x = uniform({3, 2, kTags});
  x.mutable_data<double>()[2 * kTags + 1] = std::numeric_limits<double>::quiet_NaN();
  Tape tape;
  const Tensor partition = model.crf.log_partition(tape.input(x)).value();
  CHECK(std::isnan(partition.at(0)));
  CHECK(std::isfinite(partition.at(1)));
}

TEST_CASE("Crf of one tag, no steps or no sequences", "[nn][crf]") {
  const bool products = GENERATE(false, true);
  const Model model(products);
  nn::ParameterSet parameters;
  const nn::Crf one(parameters.scope(), 1, {.products = products});
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 2, 1}));
  CHECK(one.loss(x, Tensor(Shape{3, 2}, Dtype::int32)).item() == Approx(0).margin(1e-6));
  CHECK(one.decode(x.value())[1].tags == std::vector<std::int32_t>{0, 0, 0});
  const Variable none = tape.input(Tensor(Shape{0, 2, kTags}, Dtype::float64));
  CHECK(model.crf.loss(none, Tensor(Shape{0, 2}, Dtype::int32)).item() == 0);
  CHECK(model.crf.marginals(none).shape() == none.shape());
  CHECK(model.crf.decode(none.value())[0].tags.empty());
  const Variable nobody = tape.input(Tensor(Shape{3, 0, kTags}, Dtype::float64));
  const nn::CrfLossOptions options{.reduction = Reduction::sum};
  CHECK(model.crf.loss(nobody, Tensor(Shape{3, 0}, Dtype::int32), options).item() == 0);
  CHECK(model.crf.decode(nobody.value()).empty());
}

TEST_CASE("Crf takes the lower tags of equal paths and transitions that cannot be", "[nn][crf]") {
  nn::ParameterSet parameters(0, Dtype::float64);
  const nn::Crf crf(parameters.scope(), 2,
                    {.initializer = nn::init::zeros(), .products = GENERATE(false, true)});
  const Tensor x(Shape{3, 1, 2}, Dtype::float64);
  CHECK(crf.decode(x)[0].tags == std::vector<std::int32_t>{0, 0, 0});
  const double never = -std::numeric_limits<double>::infinity();
  crf.transitions.assign(Tensor(Shape{2, 2}, {never, 0.0, never, 0.0}));  // nothing goes to 0
  Tape tape;
  const Variable emissions = tape.input(x);
  CHECK(crf.decode(x)[0].tags == std::vector<std::int32_t>{0, 1, 1});
  CHECK(crf.log_partition(emissions).item() == Approx(std::log(2)));
  const std::vector<double> expected{0.5, 0.5, 0, 1, 0, 1};
  check_close(crf.marginals(emissions).value(), Tensor(x.shape(), expected), 1e-15);
}

TEST_CASE("Crf by products loses only what the exponent does not hold", "[nn][crf]") {
  nn::ParameterSet parameters(0);
  const nn::CrfOptions zeros{.initializer = nn::init::zeros()};
  nn::CrfOptions by_products = zeros;
  by_products.products = true;
  const nn::Crf exact(parameters.scope("a"), 2, zeros), fast(parameters.scope("b"), 2, by_products);
  for (const float below : {-80.F, -200.F}) {
    // Tag 1 can follow nothing but tag 1, which is less probable by e^below at first.
    const Tensor transitions(Shape{2, 2}, {0.F, -1e4F, 0.F, 0.F});
    exact.transitions.assign(transitions);
    fast.transitions.assign(transitions);
    const Tensor x(Shape{2, 1, 2}, {0.F, below, -1000.F, 0.F});
    Tape tape;
    const double expected = exact.log_partition(tape.input(x)).item();
    CHECK(expected == Approx(below));
    CHECK(fast.log_partition(tape.input(x)).item() == Approx(below == -80 ? -80 : -1000));
  }
}

TEST_CASE("Crf refuses what does not fit", "[nn][crf]") {
  const Model model;
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 2, kTags}, Dtype::float64));
  const Tensor tags(Shape{2, 2}, Dtype::int32);
  nn::ParameterSet parameters;
  CHECK_THROWS_AS(nn::Crf(parameters.scope(), 0), ValueError);
  CHECK(parameters.size() == 0);
  CHECK_THROWS_AS(model.crf.loss(tape.input(tags), tags), DtypeError);
  CHECK_THROWS_AS(model.crf.loss(x, tags.to(Dtype::float32)), DtypeError);
  CHECK_THROWS_AS(model.crf.loss(x, tags, {.lengths = {3, 1}}), ValueError);
  CHECK_THROWS_AS(model.crf.loss(x, Tensor(Shape{2, 3}, Dtype::int32)), ShapeError);
  CHECK_THROWS_AS(model.crf.log_partition(tape.input(Tensor(Shape{2, 2, 4}))), ShapeError);
  CHECK_THROWS_AS(model.crf.decode(Tensor(Shape{2, 3})), ShapeError);
  CHECK_THROWS_AS(model.crf.decode(dirty_emissions()), NumericError);
  const std::string message = thrown_message([&] {
    model.crf.loss(x, Tensor(Shape{2, 2}, {0, 1, 3, 0}));
  });
  CHECK(contains(message, "crf_test.cpp:"));
  CHECK(contains(message, "tag of step 1 of sequence 0 is 3; expected 0 to 2"));
}

TEST_CASE("Tags that are not possible have an infinite loss and no gradient", "[nn]") {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  for (const bool products : {false, true}) {
    Model model(products);
    Tensor emissions = uniform({2, 3, kTags});
    auto values = emissions.mutable_data<double>();
    for (std::size_t k = 0; k < kTags; ++k) values[k] = kNever;  // sequence 0: nothing is possible
    values[kTags + 1] = kNever;                                  // sequence 1: its first tag is not
    Tape tape;
    const Variable x = tape.input(emissions);
    const Tensor tags(Shape{2, 3}, {1, 1, 1, 0, 0, 0});
    const Tensor losses = model.crf.loss(x, tags, {.reduction = Reduction::none}).value();
    CHECK(losses.at(0) == -kNever);
    CHECK(losses.at(1) == -kNever);
    CHECK(losses.at(2) > 0);
    CHECK(losses.at(2) < 100);
    const Variable total = model.crf.loss(x, tags, {.reduction = Reduction::sum});
    const Tensor dx = gradients(total, {x})[0].value();
    for (std::int64_t i = 0; i < dx.size(); ++i) {
      INFO("element " << i << " is " << dx.at(i));
      const bool possible = i / kTags % 3 == 2;
      CHECK((possible ? std::isfinite(dx.at(i)) && dx.at(i) != 0 : dx.at(i) == 0));
    }
  }
}
