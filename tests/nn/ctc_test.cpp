// ctc_loss: against PyTorch and all alignments, gradients, padding, special values, errors.
#include <unroll/nn/ctc.h>

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/nn/alignments.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/check_gradients.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor ids(const Shape& shape, std::initializer_list<std::int32_t> values) {
  return Tensor(shape, values);
}

nn::CtcOptions ragged(Reduction reduction) {
  return {
      .input_lengths = {4, 2, 0, 3, 1}, .target_lengths = {2, 1, 0, 0, 2}, .reduction = reduction};
}

/// Five sequences: repeated labels, a pad that is no label, nothing at all, no labels, and one that
/// does not fit.
const Tensor& ragged_targets() {
  static const Tensor targets = ids({5, 2}, {1, 1, 2, 99, -7, 0, 1, 1, 2, 1});
  return targets;
}

const Samples kLogAddExp{
    "ctc.log_add_exp",
    [](std::span<const Variable> x) {
      return nn::ctc_loss(x[0], ids({2, 2}, {1, 1, 2, 1}), {.reduction = Reduction::none});
    },
    {{uniform({4, 2, 3})}, {uniform({3, 2, 4})}}};

Reduction reduction_of(const std::string& name) {
  return name == "none" ? Reduction::none : name == "sum" ? Reduction::sum : Reduction::mean;
}

void check_torch_case(const nlohmann::json& c, Dtype dtype, double tolerance) {
  for (const auto& [name, expected] : c.at("results").items()) {
    INFO(c.at("name") << ", " << name << ", " << name_of(dtype));
    Tape tape;
    const Variable logits = tape.input(tensor_from(c.at("logits")).to(dtype));
    const Variable loss =
        nn::ctc_loss(log_softmax(logits), tensor_from(c.at("targets")),
                     {.input_lengths = c.at("input_lengths").get<std::vector<std::int32_t>>(),
                      .target_lengths = c.at("target_lengths").get<std::vector<std::int32_t>>(),
                      .blank = c.at("blank"),
                      .zero_infinity = c.at("zero_infinity"),
                      .reduction = reduction_of(name)});
    const Variable cotangent = tape.input(tensor_from(expected.at("cotangent")).to(dtype));
    check_close(loss.value(), tensor_from(expected.at("loss")), tolerance);
    const Tensor gradient =
        vector_jacobian_product(std::span(&loss, 1), std::span(&cotangent, 1), {&logits, 1})[0]
            .value();
    if (c.at("name") == "impossible") {  // NaN in PyTorch
      for (std::int64_t i = 0; i < gradient.size(); ++i) CHECK(gradient.at(i) == 0);
    } else {
      check_close(gradient, tensor_from(expected.at("gradient")), tolerance);
    }
  }
}

}  // namespace

TEST_CASE("ctc_loss computes what PyTorch computes", "[nn][ctc]") {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "ctc_cases.json");
  const auto cases = nlohmann::json::parse(file).at("cases");
  REQUIRE(cases.size() >= 9);
  for (const auto& c : cases) {
    check_torch_case(c, Dtype::float64, 1e-13);
    check_torch_case(c, Dtype::float32, 4e-6);
  }
}

TEST_CASE("ctc_loss adds up all alignments", "[nn][ctc]") {
  Tape tape;
  const Variable x = log_softmax(tape.input(uniform({5, 1, 3})));
  const auto probabilities = label_probabilities(x.value(), 0, 5, 1);
  CHECK(probabilities.size() == 25);
  double total = 0;
  for (const auto& [labels, probability] : probabilities) {
    const Tensor target(Shape{1, static_cast<std::int64_t>(labels.size())}, labels);
    const double loss = nn::ctc_loss(x, target, {.blank = 1, .reduction = Reduction::sum}).item();
    CHECK(std::exp(-loss) == Approx(probability).epsilon(1e-12));
    total += std::exp(-loss);
  }
  CHECK(total == Approx(1).epsilon(1e-12));
}

TEST_CASE("ctc_loss has right gradients of first and second order", "[nn][ctc][gradcheck]") {
  for (const Reduction reduction : {Reduction::none, Reduction::sum, Reduction::mean}) {
    for (const bool normalized : {false, true}) {
      nn::CtcOptions options = ragged(reduction);
      options.zero_infinity = true;
      check_gradients(
          [&](std::span<const Variable> x) {
            return nn::ctc_loss(normalized ? log_softmax(x[0]) : x[0], ragged_targets(), options);
          },
          {uniform({4, 5, 3})});
    }
  }
}

TEST_CASE("ctc_loss: padded steps have no influence, not even as NaN", "[nn][ctc]") {
  const std::vector<std::int32_t> lengths{4, 2, 0, 3, 1};
  Tensor clean = uniform({4, 5, 3}), dirty = clean;
  for (std::size_t t = 0; t < 4; ++t) {
    for (std::size_t b = 0; b < 5; ++b) {
      for (std::size_t k = 0; k < 3 && static_cast<std::int32_t>(t) >= lengths[b]; ++k) {
        dirty.mutable_data<double>()[(t * 5 + b) * 3 + k] = std::nan("");
      }
    }
  }
  Tape tape;
  std::vector<Tensor> losses, gradients_of;
  for (const Tensor& value : {clean, dirty}) {
    const Variable x = tape.input(value);
    const Variable loss = nn::ctc_loss(x, ragged_targets(), ragged(Reduction::none));
    losses.push_back(loss.value());
    const Variable some = sum(where(loss < kInfinity, loss, 0.0));
    gradients_of.push_back(gradients(some, {x})[0].value());
  }
  CHECK(losses[0].identical(losses[1]));
  CHECK(losses[0].at(2) == 0);
  CHECK(losses[0].at(4) == kInfinity);
  CHECK(gradients_of[0].identical(gradients_of[1]));
  for (std::int64_t b = 1; b < 3; ++b) CHECK(gradients_of[1].at((3 * 5 + b) * 3) == 0);
}

TEST_CASE("ctc_loss takes classes that cannot be", "[nn][ctc]") {
  // Label 2 is impossible at step 0: only (1, 2) and, for the second target, nothing is left.
  Tape tape;
  const double half = std::log(0.5);
  const Variable x =
      tape.input(Tensor(Shape{2, 2, 3}, {-kInfinity, 0.0, -kInfinity, -kInfinity, 0.0, -kInfinity,
                                         half, -kInfinity, half, half, -kInfinity, half}));
  const Variable losses =
      nn::ctc_loss(x, ids({2, 2}, {1, 2, 2, 1}), {.reduction = Reduction::none});
  CHECK(losses.value().at(0) == Approx(-half));
  CHECK(losses.value().at(1) == kInfinity);
  const Tensor dx = gradients(sum(losses), {x})[0].value();
  const std::vector<double> expected{0, -1, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0};
  check_close(dx, Tensor(dx.shape(), expected), 1e-15);
}

TEST_CASE("ctc_loss: a NaN at a real step makes that loss NaN", "[nn][ctc]") {
  Tensor x = uniform({3, 2, 3});
  x.mutable_data<double>()[2 * 3 + 1] = std::nan("");
  Tape tape;
  for (const bool zero_infinity : {false, true}) {
    const Tensor losses =
        nn::ctc_loss(tape.input(x), ids({2, 2}, {1, 2, 2, 1}),
                     {.zero_infinity = zero_infinity, .reduction = Reduction::none})
            .value();
    CHECK(std::isnan(losses.at(0)));
    CHECK(std::isfinite(losses.at(1)));
  }
}

TEST_CASE("ctc_loss of no sequences, labels or steps", "[nn][ctc]") {
  Tape tape;
  const auto loss = [&](const Shape& x, const Shape& targets, Reduction reduction) {
    return nn::ctc_loss(tape.input(Tensor(x)), Tensor(targets, Dtype::int32),
                        {.blank = 1, .reduction = reduction})
        .value();
  };
  CHECK(loss({3, 0, 2}, {0, 2}, Reduction::none).shape() == Shape{0});
  CHECK(loss({3, 0, 2}, {0, 2}, Reduction::sum).item() == 0);
  CHECK(std::isnan(loss({3, 0, 2}, {0, 2}, Reduction::mean).item()));
  CHECK(loss({0, 2, 2}, {2, 0}, Reduction::sum).item() == 0);
  CHECK(loss({0, 2, 2}, {2, 1}, Reduction::sum).item() == kInfinity);
  CHECK(loss({3, 2, 2}, {2, 0}, Reduction::sum).item() == 0);  // of log-probabilities 0
}

TEST_CASE("ctc_loss refuses what does not fit", "[nn][ctc]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{4, 2, 3}));
  const Tensor targets = ids({2, 2}, {1, 2, 2, 1});
  CHECK_THROWS_AS(nn::ctc_loss(x, targets.to(Dtype::float32)), DtypeError);
  CHECK_THROWS_AS(nn::ctc_loss(tape.input(targets), targets), DtypeError);
  CHECK_THROWS_AS(nn::ctc_loss(sum(x, 0), targets), ShapeError);
  CHECK_THROWS_AS(nn::ctc_loss(x, ids({1, 2}, {1, 2})), ShapeError);
  CHECK_THROWS_AS(nn::ctc_loss(x, targets, {.blank = 3}), ValueError);
  CHECK_THROWS_AS(nn::ctc_loss(x, targets, {.input_lengths = {5, 1}}), ValueError);
  CHECK_THROWS_AS(nn::ctc_loss(x, targets, {.target_lengths = {1}}), ShapeError);
  CHECK_THROWS_AS(nn::ctc_loss(x, ids({2, 1}, {1, 3})), ValueError);
  const std::string message = thrown_message([&] { nn::ctc_loss(x, targets, {.blank = 2}); });
  CHECK(contains(message, "ctc_test.cpp:"));
  CHECK(contains(message, "ctc_loss: label 1 of target 0 is 2; expected 0 to 2"));
}
