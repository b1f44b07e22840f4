// The losses: against PyTorch, ignored rows, special values, speed of cross_entropy, errors.
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Tensor ids(const Shape& shape, std::initializer_list<std::int32_t> values) {
  return Tensor(shape, values);
}

const Samples kCrossEntropy{"cross_entropy",
                            [](std::span<const Variable> x) { return cross_entropy(x[0], x[1]); },
                            {{uniform({4}), ids({}, {2})},
                             {uniform({3, 4}), ids({3}, {2, -100, 0})},
                             {uniform({2, 2, 3}), ids({2, 2}, {0, 1, 2, 2})},
                             {uniform({2, 1}), ids({2}, {0, 0})},
                             {uniform({2, 3}), ids({2}, {-100, -100})},
                             {uniform({0, 3}), ids({0}, {})}}};
const Samples kSmoothed{"cross_entropy",
                        [](std::span<const Variable> x) {
                          return cross_entropy(
                              x[0], x[1], {.label_smoothing = 0.2, .reduction = Reduction::none});
                        },
                        {{uniform({3, 4}), ids({3}, {2, -100, 0})}}};

const Samples kWeighted{
    "cross_entropy",
    [](std::span<const Variable> x) {
      return cross_entropy(
          x[0], x[1], {.label_smoothing = 0.2, .weight = Tensor(Shape{4}, {0.5, 2.0, 0.0, 1.5})});
    },
    {{uniform({3, 4}), ids({3}, {2, -100, 0})}, {uniform({4}), ids({}, {1})}}};

const Samples kMse{"mse_loss",
                   [](std::span<const Variable> x) { return mse_loss(x[0], x[1]); },
                   {{uniform({2, 3}), uniform({2, 3})}, {uniform({3}), uniform({})}}};
const Samples kMseSum{
    "mse_loss",
    [](std::span<const Variable> x) { return mse_loss(x[0], x[1], Reduction::sum); },
    {{uniform({0, 3}), uniform({0, 3})}, {uniform({}), uniform({})}}};
const Samples kL1{"l1_loss",
                  [](std::span<const Variable> x) { return l1_loss(x[0], x[1]); },
                  {{uniform({2, 3}, 1, 2), uniform({2, 3}, -1, 0.5)}}};
const Samples kHuber{"huber_loss",
                     [](std::span<const Variable> x) { return huber_loss(x[0], x[1], 0.75); },
                     {{uniform({2, 3}, 1, 2), uniform({2, 3}, -1, 0)},
                      {uniform({2, 3}, 0, 0.3), uniform({2, 3}, 0, 0.3)}}};
const Samples kBinary{
    "binary_cross_entropy",
    [](std::span<const Variable> x) { return binary_cross_entropy(x[0], x[1], Reduction::none); },
    {{away_from_zero({2, 3}), uniform({2, 3}, 0, 1)}}};
const Samples kKl{
    "kl_divergence",
    [](std::span<const Variable> x) { return kl_divergence(x[0], x[1]); },
    {{uniform({2, 3}), uniform({2, 3}, 0.1, 1)}, {uniform({3}), uniform({3}, 0.1, 1)}},
    {.shared = 1}};

Reduction reduction_from(const nlohmann::json& options) {
  const std::string name = options.at("reduction");
  if (name == "mean") return Reduction::mean;
  return name == "sum" ? Reduction::sum : Reduction::none;
}

bool all_finite(const Tensor& x) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x.at(i))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cross_entropy agrees with PyTorch", "[ops]") {
  check_against_torch("cross_entropy", [](const auto& options, auto x) {
    CrossEntropyOptions chosen{.ignore_index = options.at("ignore_index"),
                               .label_smoothing = options.at("label_smoothing"),
                               .reduction = reduction_from(options)};
    if (options.contains("weight")) {
      chosen.weight = Tensor(Shape{4}, options.at("weight").template get<std::vector<double>>());
    }
    return cross_entropy(x[0], x[1], chosen);
  });
}

TEST_CASE("the pointwise losses agree with PyTorch", "[ops]") {
  check_against_torch("mse_loss", [](const auto& options, auto x) {
    return mse_loss(x[0], x[1], reduction_from(options));
  });
  check_against_torch("l1_loss", [](const auto& options, auto x) {
    return l1_loss(x[0], x[1], reduction_from(options));
  });
  check_against_torch("huber_loss", [](const auto& options, auto x) {
    return huber_loss(x[0], x[1], options.at("delta"), reduction_from(options));
  });
  check_against_torch("binary_cross_entropy", [](const auto& options, auto x) {
    return binary_cross_entropy(x[0], x[1], reduction_from(options));
  });
  check_against_torch("kl_divergence", [](const auto& options, auto x) {
    return kl_divergence(x[0], x[1], reduction_from(options));
  });
}

TEST_CASE("cross_entropy equals its formula, also in float over many classes", "[ops]") {
  const Tensor x = random_normal(Shape{7, 1003}, 3, 0, 5);
  const Tensor t = ids({7}, {0, 1002, 500, -100, 15, 16, 17});
  for (const double smoothing : {0.0, 0.1}) {
    const CrossEntropyOptions options{.label_smoothing = smoothing};
    Tape tape;
    const Variable wide = tape.input(x), narrow = tape.input(x.to(Dtype::float32));
    const Variable targets = tape.input(t);
    const Variable loss64 = cross_entropy(wide, targets, options);
    const Variable loss32 = cross_entropy(narrow, targets, options);
    const Tensor logp = log_softmax(wide).value();
    double expected = 0;
    for (int row = 0; row < 7; ++row) {
      if (row == 3) continue;
      double uniform_part = 0;
      for (int c = 0; c < 1003; ++c) uniform_part -= logp.at(row * 1003 + c) / 1003;
      expected +=
          -(1 - smoothing) * logp.at(row * 1003 + t.data<std::int32_t>()[std::size_t(row)]) +
          smoothing * uniform_part;
    }
    CHECK(loss64.item() == Approx(expected / 6).epsilon(1e-13));
    CHECK(loss32.item() == Approx(expected / 6).epsilon(1e-6));
    check_close(gradients(loss32, {narrow})[0].value(), gradients(loss64, {wide})[0].value(), 1e-7);
  }
}

TEST_CASE("ignored rows have no loss and no gradient, whatever they hold", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 2}, {kNan, kInf, 0.5, -0.5, -kInf, -kInf}));
  const Variable targets = tape.input(ids({3}, {-1, 0, -1}));
  const Tensor weight(Shape{2}, {2.0, 0.5});
  for (const CrossEntropyOptions& options : {CrossEntropyOptions{-1, 0.0, Reduction::none},
                                             {-1, 0.3, Reduction::none},
                                             {-1, 0.0, Reduction::none, weight},
                                             {-1, 0.3, Reduction::none, weight}}) {
    const Variable losses = cross_entropy(x, targets, options);
    CHECK(losses.value().at(0) == 0);
    CHECK(losses.value().at(1) > 0);
    CHECK(losses.value().at(2) == 0);
    const Variable dx = gradients(sum(losses), {x})[0];
    const Variable ddx = gradients(sum(square(dx)), {x})[0];
    for (const Tensor& g : {dx.value(), ddx.value()}) {
      CHECK(all_finite(g));
      for (const int i : {0, 1, 4, 5}) CHECK(g.at(i) == 0);
      CHECK(g.at(2) != 0);
    }
  }
}

TEST_CASE("the mean over no rows is 0 with zero gradients", "[ops]") {
  for (const Shape& shape : {Shape{2, 3}, Shape{0, 3}}) {
    Tape tape;
    const Variable x = tape.input(random_normal(shape, 1));
    const Variable targets = tape.constant(-100, Dtype::int32, shape.without(1));
    const Variable loss = cross_entropy(x, targets);
    CHECK(loss.item() == 0);
    check_close(gradients(loss, {x})[0].value(), Tensor(shape, Dtype::float64), 0);
    const Tensor weight(Shape{3}, {1.0, 2.0, 3.0});
    CHECK(cross_entropy(x, targets, {.weight = weight}).item() == 0);
  }
}

TEST_CASE("cross_entropy in float keeps small differences of large logits", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{1, 3}, {10000.f, 9999.f, -10000.f}));
  const Variable loss = cross_entropy(x, tape.input(ids({1}, {1})));
  CHECK(loss.item() == Approx(1 + std::log1p(std::exp(-1.0))).epsilon(1e-6));
  const Tensor dx = gradients(loss, {x})[0].value();
  CHECK(dx.at(0) == Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-6));
  CHECK(dx.at(2) == 0);
}

TEST_CASE("kl_divergence takes 0 log 0 as 0, with zero gradients of any order", "[ops]") {
  Tape tape;
  const Variable log_q = tape.input(Tensor(Shape{2, 2}, {-kInf, 0.0, -1.0, -0.5}));
  const Variable p = tape.input(Tensor(Shape{2, 2}, {0.0, 1.0, 0.0, 0.25}));
  const Variable loss = kl_divergence(log_q, p, Reduction::sum);
  CHECK(loss.item() == Approx(0.25 * (std::log(0.25) + 0.5)).epsilon(1e-14));
  const auto first = gradients(loss, {log_q, p});
  CHECK(first[0].value().at(0) == 0);
  CHECK(first[1].value().at(0) == 0);
  CHECK(first[1].value().at(3) == Approx(std::log(0.25) + 1.5).epsilon(1e-14));
  const Tensor second = gradients(sum(square(first[1])), {p})[0].value();
  CHECK(all_finite(second));
  CHECK(second.at(2) == 0);
}

TEST_CASE("binary_cross_entropy takes bool targets and does not overflow", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{4}, {1e4f, -1e4f, 80.f, -80.f}));
  const Variable t = tape.input(Tensor(Shape{4}, {true, true, false, false}));
  const Tensor y = binary_cross_entropy(x, t, Reduction::none).value();
  check_close(y, Tensor(Shape{4}, {0.0, 1e4, 80.0, 0.0}), 1e-7);
}

TEST_CASE("losses refuse what would broadcast by mistake", "[ops]") {
  Tape tape;
  const Variable column = tape.input(Tensor(Shape{3, 1})), row = tape.input(Tensor(Shape{3}));
  CHECK_THROWS_AS(mse_loss(row, column), ShapeError);
  CHECK_THROWS_AS(l1_loss(row, column), ShapeError);
  CHECK_THROWS_AS(huber_loss(row, column), ShapeError);
  CHECK_THROWS_AS(binary_cross_entropy(row, column), ShapeError);
  CHECK_THROWS_AS(kl_divergence(row, column), ShapeError);
  CHECK(mse_loss(column, 2.0).item() == 4);
  CHECK(contains(thrown_message([&] { mse_loss(row, column); }),
                 "losses_test.cpp:" + std::to_string(__LINE__ - 1) +
                     ": mse_loss: got [3] and a target of shape [3, 1]; expected the same shape"));
}

TEST_CASE("targets that weigh nothing together have the mean 0", "[ops]") {
  Tape tape;
  const Variable x = tape.input(random_normal(Shape{2, 3}, 1));
  const Variable targets = tape.input(ids({2}, {2, 2}));
  for (const double smoothing : {0.0, 0.1}) {
    const CrossEntropyOptions options{.label_smoothing = smoothing,
                                      .weight = Tensor(Shape{3}, {1.0, 1.0, 0.0})};
    const Variable loss = cross_entropy(x, targets, options);
    CHECK(loss.item() == 0);
    check_close(gradients(loss, {x})[0].value(), Tensor(Shape{2, 3}, Dtype::float64), 0);
  }
}

TEST_CASE("a class of weight 0 has no influence, even where it is impossible", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}, {1.f, 2.f, -INFINITY, 0.f, 3.f, 1.f}));
  const Variable targets = tape.input(ids({2}, {0, 1}));
  const CrossEntropyOptions options{.label_smoothing = 0.1,
                                    .reduction = Reduction::sum,
                                    .weight = Tensor(Shape{3}, {1.f, 0.5f, 0.f})};
  const Variable loss = cross_entropy(x, targets, options);
  CHECK(std::isfinite(loss.item()));
  CHECK(all_finite(gradients(loss, {x})[0].value()));
}

TEST_CASE("cross_entropy takes its logits from a parameter too", "[ops]") {
  ParameterSet parameters(0);
  const Parameter logits = parameters.create("logits", Tensor(Shape{2, 3}));
  Tape tape;
  const Variable targets = tape.input(ids({2}, {0, 2}));
  CHECK(cross_entropy(logits, targets).item() == Approx(std::log(3)));
}

TEST_CASE("a failed cross_entropy leaves the tapes as they were", "[ops]") {
  ParameterSet parameters(0);
  const Parameter logits = parameters.create("logits", Tensor(Shape{2, 3}));
  Tape tape, other;
  const Variable x = tape.input(Tensor(Shape{2, 3})), targets = other.input(ids({2}, {0, 1}));
  CHECK_THROWS_AS(cross_entropy(x, targets), StateError);
  CHECK(contains(thrown_message([&] { cross_entropy(x, targets); }),
                 "losses_test.cpp:" + std::to_string(__LINE__ - 1) + ": cross_entropy: "));
  CHECK_THROWS_AS(cross_entropy(x, targets, {.weight = Tensor(Shape{3})}), StateError);
  CHECK(tape.size() == 1);
  CHECK(other.size() == 1);

  Tape eager({.eager = true});  // where the target is seen to be wrong at once
  const Variable wrong = eager.input(ids({2}, {0, 3}));
  CHECK_THROWS_AS(cross_entropy(logits, wrong), ValueError);
  CHECK(eager.size() == 1);
}

TEST_CASE("loss arguments are checked", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3})), t = tape.input(ids({2}, {0, 3}));
  CHECK_THROWS_AS(cross_entropy(x, x), DtypeError);
  CHECK_THROWS_AS(cross_entropy(t, t), DtypeError);
  CHECK_THROWS_AS(cross_entropy(x, tape.input(ids({3}, {0, 0, 0}))), ShapeError);
  CHECK_THROWS_AS(cross_entropy(x, t, {.label_smoothing = 1}), ValueError);
  CHECK_THROWS_AS(cross_entropy(x, t, {.label_smoothing = -0.1}), ValueError);
  CHECK_THROWS_AS(cross_entropy(x, t, {.weight = Tensor(Shape{2})}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(x, t, {.weight = Tensor(Shape{3, 1})}), ShapeError);
  CHECK_THROWS_AS(cross_entropy(x, t, {.weight = ids({3}, {1, 1, 1})}), DtypeError);
  for (const double bad : {-1.0, kNan, kInf, 1e39}) {  // the last is infinite in float
    CHECK_THROWS_AS(cross_entropy(x, t, {.weight = Tensor(Shape{3}, {1.0, bad, 1.0})}), ValueError);
  }
  CHECK(tape.size() == 3);  // nothing of these
  CHECK_THROWS_AS(huber_loss(x, x, 0), ValueError);
  CHECK_THROWS_AS(mse_loss(x, tape.input(Tensor(Shape{2, 3}, Dtype::float64))), DtypeError);
  CHECK_THROWS_AS(kl_divergence(tape.input(Tensor::scalar(0)), 1.0), ShapeError);

  const Variable loss = cross_entropy(x, t);
  const std::string line = "losses_test.cpp:" + std::to_string(__LINE__ - 1) + ": ";
  CHECK_THROWS_AS(loss.value(), ValueError);
  CHECK(contains(thrown_message([&] { loss.value(); }),
                 line + "cross_entropy: got target 3 at [1]; expected 0 <= target < 3"));
  const Variable weighted = cross_entropy(x, t, {.weight = Tensor(Shape{3})});
  CHECK(contains(thrown_message([&] { weighted.value(); }), ": got target 3 at [1]; expected"));
  CHECK_THROWS_AS(gradients(loss, {x})[0].value(), ValueError);
}
