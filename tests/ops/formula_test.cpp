// Formulas: tracing, registers, limits, and runs over operands of any type and stride.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/formula.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

/// formula(inputs...) of tensors.
Tensor run(const Formula& formula, const std::vector<Tensor>& inputs, const Type& type,
           const std::vector<double>& parameters = {}) {
  std::vector<Type> types;
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  std::vector<ConstView> views;
  for (std::size_t i = 0; i < inputs.size(); ++i) views.push_back({inputs[i].raw(), &types[i]});
  Tensor y(type.shape, type.dtype);
  run_formula(formula, views, parameters, {y.mutable_raw(), &type}, false);
  return y;
}

}  // namespace

TEST_CASE("a formula is traced into straight-line code", "[formula]") {
  const Formula f = trace(
      [](Expr x, Expr slope) {
        const Expr is_positive = x > 0, below = slope * x;
        return where(is_positive, x, below);
      },
      1);
  CHECK(f.inputs == 1);
  CHECK(f.parameters == 1);
  REQUIRE(f.instructions.size() == 3);
  CHECK(f.instructions[0].code == Code::less);  // 0 < x
  CHECK(f.constants == std::vector<double>{0});
  CHECK(f.instructions[1].code == Code::mul);
  CHECK(f.instructions[2].code == Code::where);
  CHECK(f.result == 4);
  CHECK(f.uses(0));
  CHECK(f.uses(1));
  CHECK_FALSE(f.is_zero());
  CHECK_FALSE(f.is_predicate());
  CHECK(trace([](Expr a, Expr b) { return a <= b; }, 2).is_predicate());
  CHECK(trace([](Expr) { return Expr(0); }, 1).is_zero());
  CHECK(trace([](Expr, Expr dy) { return dy; }, 2).result == 1);
}

TEST_CASE("numbers are computed while tracing", "[formula]") {
  const Formula f = trace([](Expr x) { return x * (Expr(2) + exp(Expr(0))) * 3; }, 1);
  CHECK(f.instructions.size() == 2);
  CHECK(f.constants == std::vector<double>{3});  // both threes are one constant
  const Formula zeros = trace([](Expr x) { return max(x, 0.0) + min(x, -0.0); }, 1);
  CHECK(zeros.constants.size() == 2);
  const Formula nans = trace([](Expr x) { return where(x > NAN, x, NAN); }, 1);
  CHECK(nans.constants.size() == 1);
}

TEST_CASE("registers are used again", "[formula]") {
  const Formula chain = trace(
      [](Expr x) {
        for (int i = 0; i < 100; ++i) x = tanh(x);
        return x;
      },
      1);
  CHECK(chain.instructions.size() == 100);
  CHECK(chain.registers == 2);  // an operand's register is not its reader's
  const Formula squares = trace([](Expr x) { return square(square(square(x))); }, 1);
  CHECK(squares.registers == 2);
  const Formula wasteful = trace(
      [](Expr x) {
        for (int i = 0; i < 50; ++i) sin(x);  // nobody reads it
        return cos(x);
      },
      1);
  CHECK(wasteful.registers == 1);
  // No instruction writes a register that holds something still to be read.
  const Formula mixed = trace(
      [](Expr x, Expr y) {
        const Expr a = x * y, b = a + x, c = b * a, d = sin(c) + a;
        return d * b + exp(a - c);
      },
      2);
  std::vector<int> holds(static_cast<std::size_t>(mixed.registers), -1);
  for (std::size_t k = 0; k < mixed.instructions.size(); ++k) {
    const auto& step = mixed.instructions[k];
    for (int i = 0; i < (step.code < Code::add ? 1 : 2); ++i) {
      const int producer = step.operands[static_cast<std::size_t>(i)] - mixed.arguments();
      if (producer < 0) continue;
      const auto target = mixed.instructions[static_cast<std::size_t>(producer)].target;
      CHECK(holds[static_cast<std::size_t>(target)] == producer);
      CHECK(target != step.target);
    }
    holds[static_cast<std::size_t>(step.target)] = static_cast<int>(k);
  }
}

TEST_CASE("formulas have limits, and say so", "[formula]") {
  const auto wide = [](int n) {
    return trace(
        [n](Expr x) {
          std::vector<Expr> all;
          for (int i = 0; i < n; ++i) all.push_back(sin(x));
          Expr sum = all[0];
          for (const Expr& e : all) sum = sum * e;
          return sum;
        },
        1);
  };
  CHECK(wide(kMaxRegisters - 2).registers <= kMaxRegisters);
  CHECK_THROWS_AS(wide(kMaxRegisters + 5), ValueError);
  const auto constants = [](int n) {
    return trace(
        [n](Expr x) {
          for (int i = 0; i < n; ++i) x = x + i;
          return x;
        },
        1);
  };
  CHECK(constants(kMaxScalars).constants.size() == kMaxScalars);
  CHECK_THROWS_AS(constants(kMaxScalars + 1), ValueError);
  const auto length = [](int n) {
    return trace(
        [n](Expr x) {
          for (int i = 0; i < n; ++i) x = x * x;
          return x;
        },
        1);
  };
  CHECK(length(30000).instructions.size() == 30000);
  CHECK_THROWS_AS(length(40000), ValueError);
}

TEST_CASE("inputs that a formula does not use are left out", "[formula]") {
  const Formula f = trace([](Expr, Expr b, Expr, Expr d, Expr scale) { return d * scale - b; }, 4);
  std::vector<int> used;
  const Formula compact = without_unused_inputs(f, used);
  CHECK(used == std::vector<int>{1, 3});
  CHECK(compact.inputs == 2);
  const Tensor b(Shape{1}, {5.0}), d(Shape{1}, {7.0});
  CHECK(run(compact, {b, d}, {Dtype::float64, {1}}, {10}).item() == 65);
}

TEST_CASE("formulas run over broadcast operands of mixed types", "[formula]") {
  const Formula f = trace([](Expr m, Expr a, Expr b) { return where(m, a, b * 2); }, 3);
  for (const std::int64_t n : {1, 3, 255, 256, 257, 1000}) {
    std::vector<std::int32_t> flags;
    for (int i = 0; i < 4; ++i) flags.push_back(i % 2);
    const Tensor mask = Tensor(Shape{4, 1}, flags).to(Dtype::bool_);
    for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
      const Tensor a = random_uniform({4, n}, 1, -1, 1, dtype),
                   b = random_uniform({n}, 2, -1, 1, dtype);
      const Tensor y = run(f, {mask, a, b}, {dtype, {4, n}});
      for (std::int64_t i = 0; i < y.size(); ++i) {
        REQUIRE(y.at(i) == (i / n % 2 == 1 ? a.at(i) : 2 * b.at(i % n)));
      }
    }
  }
  const Formula sum = trace([](Expr a, Expr b) { return a + b; }, 2);
  const Tensor big(Shape{1}, {16777217}), one(Shape{1}, {1});
  CHECK(run(sum, {big, one}, {Dtype::int32, {1}}).item() == 16777218);
  CHECK(run(sum, {Tensor(Shape{0, 3}), Tensor(Shape{3})}, {Dtype::float32, {0, 3}}).size() == 0);
}

TEST_CASE("whole numbers stay whole or are refused", "[formula]") {
  Tape tape;
  const Variable i = tape.input(Tensor(Shape{3}, {-3, 0, 7}));
  CHECK(abs(i).value().identical(Tensor(Shape{3}, {3, 0, 7})));
  CHECK(square(i).value().identical(Tensor(Shape{3}, {9, 0, 49})));
  CHECK(clamp(i, -1, 5).value().identical(Tensor(Shape{3}, {-1, 0, 5})));
  CHECK(relu(i).value().identical(Tensor(Shape{3}, {0, 0, 7})));
  CHECK_THROWS_AS(clamp(i, -0.5, 5), DtypeError);
  CHECK_THROWS_AS(tanh(i), DtypeError);
  CHECK_THROWS_AS(i / 2.0, DtypeError);
  CHECK_THROWS_AS(leaky_relu(i), DtypeError);
  CHECK_THROWS_AS(gelu(i), DtypeError);
  CHECK(contains(thrown_message([&] { exp(i); }), "exp: got int32"));
}

TEST_CASE("strides of any rank and broadcast pattern", "[formula]") {
  const Formula f = trace([](Expr a, Expr b) { return a * 10 + b; }, 2);
  const Shape shape{2, 3, 1, 4, 2};
  std::vector<Shape> patterns;
  for (int mask = 0; mask < 32; ++mask) {
    Shape s = shape;
    for (int axis = 0; axis < 5; ++axis) {
      if ((mask >> axis & 1) != 0) s = s.with(axis, 1);
    }
    patterns.push_back(s);
  }
  patterns.insert(patterns.end(),
                  {Shape{}, Shape{2}, Shape{4, 1}, Shape{1, 4, 2}, Shape{3, 1, 1, 1}});
  const auto counting = [](const Shape& s) {
    std::vector<double> values(static_cast<std::size_t>(s.size()));
    std::iota(values.begin(), values.end(), 0.0);
    return Tensor(s, values);
  };
  const auto at = [&](const Tensor& x, std::int64_t index) {
    std::int64_t position = 0, stride = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const std::int64_t i = index % shape[axis];
      index /= shape[axis];
      const int own = axis - (shape.rank() - x.shape().rank());
      if (own < 0) continue;
      if (x.shape()[own] != 1) position += i * stride;
      stride *= x.shape()[own];
    }
    return x.at(position);
  };
  for (const Shape& sa : patterns) {
    for (const Shape& sb : patterns) {
      const Tensor a = counting(sa), b = counting(sb);
      const Tensor y = run(f, {a, b}, {Dtype::float64, shape});
      for (std::int64_t i = 0; i < y.size(); ++i) REQUIRE(y.at(i) == at(a, i) * 10 + at(b, i));
    }
  }
}

TEST_CASE("results are added where accumulation is asked for", "[formula]") {
  const Formula f = trace([](Expr a) { return a * 2; }, 1);
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    const Tensor a = random_uniform({300}, 1, -1, 1, dtype);
    const Type type{dtype, {300}};
    Tensor y = Tensor::full({300}, 5, dtype);
    const ConstView view{a.raw(), &type};
    run_formula(f, {&view, 1}, {}, {y.mutable_raw(), &type}, true);
    for (std::int64_t i = 0; i < 300; ++i)
      REQUIRE(y.at(i) == Approx(5 + 2 * a.at(i)).epsilon(1e-6));
  }
}
