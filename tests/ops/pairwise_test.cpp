// The pointwise ops of two operands and more against the standard library: values and derivatives
// in float64 and float32, over wide ranges and at special values. All pointwise ops at every length
// of a vector's tail.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/ops/pointwise_points.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

using Unary = Variable (*)(const Operand&);
using Binary = Variable (*)(const Operand&, const Operand&);

template <class T, class Value, class DerivativeA, class DerivativeB>
void compare(Binary op, Value value, DerivativeA by_a, DerivativeB by_b,
             const std::vector<double>& first, const std::vector<double>& second,
             Tolerance of_derivative) {
  Tape tape;
  const Tensor as = tensor_of<T>(first), bs = tensor_of<T>(second);
  const Variable a = tape.input(as), b = tape.input(bs), y = op(a, b);
  const auto slopes = gradients(sum(y), {a, b});
  const Tensor values = y.value(), da = slopes[0].value(), db = slopes[1].value();
  for (std::int64_t i = 0; i < as.size(); ++i) {
    const double u = as.at(i), v = bs.at(i);
    INFO(name_of(dtype_of<T>()) << " at (" << u << ", " << v << "): y " << values.at(i)
                                << ", expected " << value(u, v) << "; gradients " << da.at(i)
                                << ", " << db.at(i) << ", expected " << by_a(u, v) << ", "
                                << by_b(u, v));
    if (!agrees<T>(values.at(i), value(u, v), {}) ||
        !agrees<T>(da.at(i), by_a(u, v), of_derivative) ||
        !agrees<T>(db.at(i), by_b(u, v), of_derivative)) {
      CHECK(false);
    }
  }
  CHECK(values.size() == as.size());
}

/// On pairs from [low, high] for a and [-10, 10] for b, and on every pair of special values.
template <class Value, class DerivativeA, class DerivativeB>
void check(Binary op, Value value, DerivativeA by_a, DerivativeB by_b, double low = -1e10,
           double high = 1e10, Tolerance of_derivative = {}) {
  std::vector<double> first = wide(low, high), second = wide(-10, 10);
  const std::size_t count = std::min(first.size(), second.size());
  first.resize(count);
  second.resize(count);
  std::reverse(second.begin(), second.end());
  for (const double a : kSpecial) {
    first.insert(first.end(), kSpecial.size(), a);
    second.insert(second.end(), kSpecial.begin(), kSpecial.end());
  }
  compare<double>(op, value, by_a, by_b, first, second, of_derivative);
  compare<float>(op, value, by_a, by_b, first, second, of_derivative);
}

}  // namespace

TEST_CASE("arithmetic on two operands", "[ops]") {
  const auto one = [](double, double) { return 1.0; };
  SECTION("add") {
    check(
        Binary(add), [](double a, double b) { return a + b; }, one, one);
  }
  SECTION("sub") {
    check(
        Binary(sub), [](double a, double b) { return a - b; }, one,
        [](double, double) { return -1.0; });
  }
  SECTION("mul") {
    check(
        Binary(mul), [](double a, double b) { return a * b; }, [](double, double b) { return b; },
        [](double a, double) { return a; });
  }
  SECTION("div") {
    check(
        Binary(div), [](double a, double b) { return a / b; },
        [](double, double b) { return 1 / b; }, [](double a, double b) { return -a / b / b; });
  }
  SECTION("pow has derivative 0 by b where a is 0") {
    check(
        Binary(pow), [](double a, double b) { return std::pow(a, b); },
        [](double a, double b) { return b == 0 ? 0 : b * std::pow(a, b - 1); },
        [](double a, double b) { return a == 0 ? 0 : std::pow(a, b) * std::log(a); }, 0, 100,
        {5e-6, 0});
  }
  SECTION("min shares the gradient where the operands are equal") {
    check(
        Binary(min), [](double a, double b) { return std::isnan(a) || a < b ? a : b; },
        [](double a, double b) { return a < b    ? 1
                                        : a == b ? 0.5
                                                 : 0; },
        [](double a, double b) { return b < a    ? 1
                                        : a == b ? 0.5
                                                 : 0; });
  }
  SECTION("max shares the gradient where the operands are equal") {
    check(
        Binary(max), [](double a, double b) { return std::isnan(a) || a > b ? a : b; },
        [](double a, double b) { return a > b    ? 1
                                        : a == b ? 0.5
                                                 : 0; },
        [](double a, double b) { return b > a    ? 1
                                        : a == b ? 0.5
                                                 : 0; });
  }
}

TEST_CASE("pow has second derivatives by b that are 0 where a is 0", "[ops]") {
  Tape tape;
  const Variable a = tape.input(Tensor(Shape{2}, {0.0, 2.0}));
  const Variable b = tape.input(Tensor(Shape{2}, {3.0, 3.0}));
  const Variable slope = gradients(sum(pow(a, b)), {b})[0];
  const Tensor second = gradients(sum(slope), {b})[0].value();
  CHECK(second.at(0) == 0);
  CHECK(second.at(1) == Approx(8 * std::log(2) * std::log(2)));
  const Tensor mixed = gradients(sum(slope), {a})[0].value();
  CHECK(mixed.at(0) == 0);
  CHECK(mixed.at(1) == Approx(4 + 12 * std::log(2)));
}

TEST_CASE("comparisons follow IEEE 754", "[ops]") {
  Tape tape;
  for (const double u : kSpecial) {
    for (const double v : kSpecial) {
      INFO(u << " and " << v);
      for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
        const Variable a = tape.input(Tensor::scalar(u, dtype));
        const Variable b = tape.input(Tensor::scalar(v, dtype));
        CHECK((a < b).dtype() == Dtype::bool_);
        CHECK((a < b).item() == (u < v));
        CHECK((a <= b).item() == (u <= v));
        CHECK((a > b).item() == (u > v));
        CHECK((a >= b).item() == (u >= v));
        CHECK(equal(a, b).item() == (u == v));
        CHECK(not_equal(a, b).item() == (u != v));
      }
    }
  }
}

TEST_CASE("where ignores what is not chosen, also in the gradient", "[ops]") {
  Tape tape;
  const Variable condition = tape.input(Tensor(Shape{3}, {true, false, true}));
  const double nan = std::nan("");
  const Variable a = tape.input(Tensor(Shape{3}, {1.0, nan, 3.0}));
  const Variable b = tape.input(Tensor(Shape{3}, {kInfinity, 5.0, nan}));
  const Variable y = where(condition, a, b);
  CHECK(y.value().identical(Tensor(Shape{3}, {1.0, 5.0, 3.0})));
  const auto slopes = gradients(sum(y * y), {a, b});
  CHECK(slopes[0].value().identical(Tensor(Shape{3}, {2.0, 0.0, 6.0})));
  CHECK(slopes[1].value().identical(Tensor(Shape{3}, {0.0, 10.0, 0.0})));
}

TEST_CASE("clamp refuses bounds in the wrong order", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(1));
  CHECK_THROWS_AS(clamp(x, 2, 1), ValueError);
  CHECK_THROWS_AS(clamp(x, std::nan(""), 1), ValueError);
  CHECK(clamp(x, 2, 2).item() == 2);
}

TEST_CASE("an element's bits do not depend on where a vector ends", "[ops]") {
  const std::vector<Unary> unary{neg,     abs,  sign,  square, sqrt,     rsqrt,   exp,
                                 expm1,   log,  log1p, sin,    cos,      erf,     tanh,
                                 sigmoid, relu, gelu,  silu,   softplus, softsign};
  const std::vector<Binary> binary{add, sub, mul, div, pow, min, max, less, equal, not_equal};
  constexpr std::int64_t kLongest = 40;
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    const Tensor a = random_uniform(Shape{kLongest}, 1, 0.1, 3, dtype);
    const Tensor b = random_uniform(Shape{kLongest}, 2, -3, 3, dtype);
    const auto first = [&](const Tensor& x, std::int64_t n) {
      std::vector<double> values;
      for (std::int64_t i = 0; i < n; ++i) values.push_back(x.at(i));
      return Tensor(Shape{n}, values).to(x.dtype());
    };
    Tape tape;
    for (std::size_t k = 0; k < unary.size() + binary.size(); ++k) {
      const auto call = [&](std::int64_t n) {
        const Variable x = tape.input(first(a, n)), z = tape.input(first(b, n));
        return (k < unary.size() ? unary[k](x) : binary[k - unary.size()](x, z)).value();
      };
      const Tensor whole = call(kLongest);
      for (std::int64_t n = 1; n < kLongest; ++n) {
        INFO("op " << k << ", length " << n);
        CHECK(call(n).identical(first(whole.to(Dtype::float64), n).to(whole.dtype())));
      }
    }
  }
}

TEST_CASE("whole numbers end at the limits of int32", "[ops]") {
  using Limits = std::numeric_limits<std::int32_t>;
  Tape tape;
  const auto whole = [&](std::initializer_list<std::int32_t> values) {
    return tape.input(Tensor(Shape{3}, values));
  };
  const Tensor ends(Shape{3}, {Limits::max(), Limits::min(), 0});
  const Variable x = whole({2'000'000'000, -2'000'000'000, 0});
  CHECK((x + x).value().identical(ends));
  CHECK((x * whole({2'000'000'000, 2'000'000'000, 3})).value().identical(ends));
  Variable power = x;
  for (int i = 0; i < 12; ++i) power = power * power;  // infinite on the way
  CHECK(power.value().identical(Tensor(Shape{3}, {Limits::max(), Limits::max(), 0})));
}
