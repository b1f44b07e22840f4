// The gradient check: passes what is right, catches planted faults and says what they look like.
#include <cmath>
#include <stdexcept>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// x^2 of a matrix with a derivative of our choice.
class Planted final : public Op {
 public:
  using Rule = void (*)(Derivation& d, const Variable& right);
  Planted(const std::string& name, Rule rule)
      : Op("test." + name, {.internal = true}), rule_(rule) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    for (std::int64_t i = 0; i < call.output.size(); ++i) {
      const double x = call.input(0).as<double>()[i];
      call.output.as<double>()[i] = x * x;
    }
  }
  void derive(Derivation& d) const override { rule_(d, 2.0 * d.input(0) * d.cotangent()); }

 private:
  Rule rule_;
};

// Registered like any op, so the all-ops test wants samples.
const Pointwise kCube{"test.cube", [](Expr x) { return x * x * x; },
                      [](Expr x, Expr, Expr dy) { return 3 * x * x * dy; }};
const Samples kCubeSamples{"test.cube", [](std::span<const Variable> x) { return kCube(x[0]); },
                           each(Domain{})};

// Numeric slope infinite at 0, analytic slope 1.
const Pointwise kCliff{"test.cliff", [](Expr x) { return x / 0; },
                       [](Expr, Expr, Expr dy) { return dy; }};
const NoGradientOp kCliffHasNone{"test.cliff", "a planted fault"};

using D = Derivation;
using V = const Variable&;
const Planted kRight("right", [](D& d, V g) { d.add(0, g); });
const Planted kSign("sign", [](D& d, V g) { d.add(0, -g); });
const Planted kDouble("double", [](D& d, V g) { d.add(0, 2.0 * g); });
const Planted kHalf("half", [](D& d, V g) { d.add(0, 0.5 * g); });
const Planted kTransposed("transposed",
                          [](D& d, V g) { d.add(0, reshape(transpose(g), d.input(0).shape())); });
const Planted kNothing("nothing", [](D&, V) {});
const Planted kFirstRow("first_row", [](D& d, V g) {
  const std::int64_t rows = g.shape()[0];
  d.add(0, pad(slice(g, 0, 0, 1), 0, 0, rows - 1));
});
const Planted kWrong("wrong", [](D& d, V g) { d.add(0, sin(g)); });
const Planted kOffsetNan("nan", [](D& d, V g) { d.add(0, g * std::nan("")); });

GradcheckReport check(const Op& op, const Shape& shape = {3, 4}) {
  const Function f = [&](std::span<const Variable> x) { return tanh(record(op, {x[1]})) + x[0]; };
  return gradcheck(f, {random_uniform({}, 1), random_uniform(shape, 2, 0.2, 1)});
}

}  // namespace

TEST_CASE("right gradients pass", "[gradcheck]") {
  const GradcheckReport report = check(kRight);
  CHECK(report);
  CHECK(report.message.empty());
  CHECK(report.worst < 1e-2);
  const Function several = [](std::span<const Variable> x) {
    return matmul(x[0], tanh(x[1])) * x[2];
  };
  CHECK(gradcheck(several, {small({2, 3}, 1), small({3, 2}, 2), small({2}, 3)}));
  CHECK(gradgradcheck(several, {small({2, 3}, 1), small({3, 2}, 2), small({2}, 3)}));
}

TEST_CASE("an op or a function of variables is checked as it is", "[gradcheck]") {
  CHECK(gradcheck(kCube, {random_normal({3, 4}, 1)}).ok);
  const auto product = [](const Variable& x, const Variable& y) { return x * y; };
  CHECK(gradcheck(product, {random_normal({3, 4}, 1), random_normal({4}, 2)}).ok);
  CHECK(contains(thrown_message([&] { gradcheck(product, {random_normal({3}, 1)}); }),
                 "does not take 1 variables"));
}

TEST_CASE("an infinite difference is no agreement", "[gradcheck]") {
  CHECK_FALSE(gradcheck(kCliff, {Tensor(Shape{2}, {0.0, 1.0})}).ok);
  CHECK_FALSE(gradcheck(kCliff, {Tensor(Shape{2}, {0.0, 0.0})}).ok);
}

TEST_CASE("planted faults are caught with their likely cause", "[gradcheck]") {
  const auto expect = [](const Op& op, const std::string& cause, const Shape& shape = {3, 4}) {
    const GradcheckReport report = check(op, shape);
    INFO(op.name() << ": " << report.message);
    CHECK_FALSE(report);
    CHECK(report.worst > 1);
    CHECK(contains(report.message, "/ d input 1["));
    CHECK(contains(report.message, cause));
  };
  expect(kSign, "wrong sign");
  expect(kDouble, "off by a factor of 2");
  expect(kHalf, "missing accumulation: the numeric value is 2 times the analytic one");
  expect(kTransposed, "transposed");
  expect(kTransposed, "transposed", {4, 4});
  expect(kNothing, "missing contribution");
  expect(kFirstRow, "some elements get no gradient");
  expect(kWrong, "wrong formula");
  expect(kOffsetNan, "nan");
}

TEST_CASE("detached paths are caught", "[gradcheck]") {
  const Function all = [](std::span<const Variable> x) { return sin(detach(x[0])); };
  const GradcheckReport whole = gradcheck(all, {small({3}, 1)});
  CHECK_FALSE(whole);
  CHECK(contains(whole.message, "detached"));
  const Function part = [](std::span<const Variable> x) { return x[0] + detach(x[0]); };
  const GradcheckReport half = gradcheck(part, {small({3}, 1)});
  CHECK(contains(half.message, "numeric value is 2 times"));
}

TEST_CASE("the message names elements and both values", "[gradcheck]") {
  // y = (x0, x1^2 with a wrong sign): only output 1 by input element 1 is wrong.
  const Function f = [](std::span<const Variable> x) {
    const Variable a = slice(x[0], 0, 0, 1), b = slice(x[0], 0, 1, 2);
    return concat({a, record(kSign, {b})}, 0);
  };
  const GradcheckReport report = gradcheck(f, {Tensor(Shape{2}, {0.5, 3.0})});
  INFO(report.message);
  CHECK(contains(report.message, "d output 0[1] / d input 0[1]"));
  CHECK(contains(report.message, "-6 analytically"));
  CHECK(contains(report.message, "numerically"));
}

TEST_CASE("second derivatives are checked too", "[gradcheck]") {
  // The first derivative is right; it is recorded as a constant, so the second one is not.
  static const Planted blocked("blocked", [](D& d, V g) { d.add(0, detach(g)); });
  const Function f = [](std::span<const Variable> x) { return record(blocked, {x[0]}); };
  CHECK(gradcheck(f, {small({2, 2}, 1)}));
  CHECK_FALSE(gradgradcheck(f, {small({2, 2}, 1)}));
}

TEST_CASE("inputs that have no gradient are passed as they are", "[gradcheck]") {
  const Function f = [](std::span<const Variable> x) { return where(x[0], x[1], x[1] * x[1]); };
  const std::vector<Tensor> inputs{Tensor(Shape{2}, {true, false}), Tensor(Shape{2}, {0.3, 0.4})};
  CHECK(gradcheck(f, inputs));
  CHECK(gradgradcheck(f, inputs));
}

TEST_CASE("empty inputs have nothing to check", "[gradcheck]") {
  const Function f = [](std::span<const Variable> x) { return tanh(x[0]); };
  CHECK(gradcheck(f, {Tensor({0, 3}, Dtype::float64)}));
}

TEST_CASE("float32 is refused: differences need precision", "[gradcheck]") {
  const Function f = [](std::span<const Variable> x) { return tanh(x[0]); };
  CHECK_THROWS_AS(gradcheck(f, {Tensor(Shape{2})}), DtypeError);
  CHECK_THROWS_AS(gradgradcheck(f, {Tensor(Shape{2})}), DtypeError);
  const ParameterSet parameters = lstm_parameters(2, 2, Dtype::float32);
  const auto loss = [&](Tape& tape) { return lstm_loss(tape, parameters, 2, 1); };
  CHECK_THROWS_AS(gradcheck(parameters, loss), DtypeError);
  const Function comparison = [](std::span<const Variable> x) { return x[0] > 0.0; };
  CHECK_THROWS_AS(gradcheck(comparison, {small({2}, 1)}), DtypeError);
}

TEST_CASE("a whole model is checked through its parameters", "[gradcheck]") {
  const ParameterSet parameters = lstm_parameters(3, 4, Dtype::float64);
  std::vector<Tensor> before;
  for (const Parameter& p : parameters) before.push_back(p.value());
  const auto restored = [&] {
    bool same = true;
    for (std::size_t i = 0; i < before.size(); ++i) {
      same = same && parameters[i].value().identical(before[i]);
    }
    return same;
  };
  const auto right = [&](Tape& tape) { return lstm_loss(tape, parameters, 4, 2); };
  CHECK(gradcheck(parameters, right));
  CHECK(restored());

  const auto faulty = [&](Tape& tape) {
    return lstm_loss(tape, parameters, 4, 2) + sum(record(kSign, {tape.use(parameters[1])}));
  };
  const GradcheckReport report = gradcheck(parameters, faulty);
  CHECK_FALSE(report);
  INFO(report.message);
  CHECK(contains(report.message, "d loss / d hidden_weight["));
  CHECK(restored());

  int calls = 0;
  const auto failing = [&](Tape& tape) {
    if (++calls == 10) throw std::runtime_error("tenth call");
    return lstm_loss(tape, parameters, 4, 2);
  };
  CHECK(thrown_message([&] { gradcheck(parameters, failing); }) == "tenth call");
  CHECK(restored());
}

TEST_CASE("large inputs are checked along random directions", "[gradcheck]") {
  const GradcheckOptions options{.exhaustive_limit = 100, .directions = 4};
  int calls = 0;
  const auto f_with = [&](const Op& op) -> Function {
    return [&](std::span<const Variable> x) {
      ++calls;
      return tanh(record(op, {x[0]}));
    };
  };
  const std::vector<Tensor> large{random_uniform({30, 30}, 3)};
  CHECK(gradcheck(f_with(kRight), large, options));
  CHECK(calls < 20);
  const GradcheckReport report = gradcheck(f_with(kSign), large, options);
  CHECK_FALSE(report);
  CHECK(contains(report.message, "of input 0"));
  CHECK(contains(report.message, "likely cause: wrong sign"));
  CHECK_FALSE(gradcheck(f_with(kTransposed), large, options));

  const ParameterSet parameters = lstm_parameters(8, 8, Dtype::float64);
  const Tensor before = parameters[0].value();
  CHECK(gradcheck(
      parameters, [&](Tape& tape) { return lstm_loss(tape, parameters, 3, 2); }, options));
  CHECK(parameters[0].value().identical(before));
  // One of the parameters goes through an op with a planted fault: it is the one to blame.
  ParameterSet two(1, Dtype::float64);
  const auto normal = [](const Shape& shape, std::uint64_t seed) {
    return random_normal(shape, seed);
  };
  const Parameter good = two.scope("layer").parameter("good", {20, 20}, normal);
  const Parameter bad = two.scope("layer").parameter("bad", {20, 20}, normal);
  const GradcheckReport blamed = gradcheck(
      two, [&](Tape& tape) { return sum(tape.use(good) * tanh(record(kSign, {tape.use(bad)}))); },
      options);
  CHECK_FALSE(blamed);
  CHECK(contains(blamed.message, "parameter layer.bad"));
}
