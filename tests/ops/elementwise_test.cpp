// The pointwise ops against the standard library: values and derivatives in float64 and float32,
// over wide ranges, at special values, and for every length of a vector's tail.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<double> kSpecial{0.0,  -0.0,  1.0,   -1.0,      2.0,        -0.5,
                                   1e30, -1e30, 1e-30, kInfinity, -kInfinity, std::nan("")};

template <class T>
Tensor tensor_of(const std::vector<double>& values) {
  return Tensor(Shape{static_cast<std::int64_t>(values.size())}, values).to(dtype_of<T>());
}

/// Numbers all over [low, high]: half of them uniform, half with uniform logarithms down to 1e-20.
std::vector<double> wide(double low, double high) {
  Random random(7);
  std::vector<double> result;
  while (result.size() < 2000) {
    const double u = random.uniform(), end = random.below(2) == 0 ? low : high;
    result.push_back(low + (high - low) * u);
    const double x = std::copysign(std::pow(10.0, -20 * random.uniform()), end) * std::abs(end);
    if (low <= x && x <= high) result.push_back(x);
  }
  return result;
}

/// How far a result may be off: relative, absolute, or both together. float32 is held to 4 units
/// in the last place of a primitive.
struct Tolerance {
  double relative = 5e-7;
  double absolute = 0;
};

template <class T>
bool agrees(double got, double want, const Tolerance& tolerance) {
  const auto rounded = static_cast<double>(static_cast<T>(want));
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) == std::isnan(want);
  if (std::isinf(got) || std::isinf(rounded)) return got == rounded;
  const double scale = std::is_same_v<T, float> ? 1 : 1e-8;  // float64: 5e-15
  // Smaller numbers are flushed to 0, also inside a derivative.
  const double smallest = 100 * double{std::numeric_limits<T>::min()};
  return std::abs(got - want) <=
         scale * (tolerance.relative * std::abs(want) + tolerance.absolute) + smallest;
}

using Unary = Variable (*)(const Operand&);

/// y and dy/dx of `op` at each of x, against `value(x)` and `derivative(x)` in double.
template <class T, class Call, class Value, class Derivative>
void compare(Call op, Value value, Derivative derivative, const std::vector<double>& at,
             Tolerance of_value, Tolerance of_derivative) {
  Tape tape;
  const Tensor points = tensor_of<T>(at);
  const Variable x = tape.input(points), y = op(x);
  const Tensor values = y.value(), slopes = gradients(sum(y), {x})[0].value();
  for (std::int64_t i = 0; i < points.size(); ++i) {
    const double v = points.at(i), want = value(v), slope = derivative(v);
    INFO(name_of(dtype_of<T>()) << " at " << v << ": y " << values.at(i) << ", expected " << want
                                << "; dy/dx " << slopes.at(i) << ", expected " << slope);
    if (!agrees<T>(values.at(i), want, of_value) ||
        !agrees<T>(slopes.at(i), slope, of_derivative)) {
      CHECK(false);
    }
  }
  CHECK(values.size() == points.size());
}

struct Check {
  double low = -20, high = 20;
  Tolerance value{};
  Tolerance derivative{};
};

template <class Call, class Value, class Derivative>
void check(Call op, Value value, Derivative derivative, const Check& options = {}) {
  const auto points = wide(options.low, options.high);
  compare<double>(op, value, derivative, points, options.value, options.derivative);
  compare<float>(op, value, derivative, points, options.value, options.derivative);
  compare<double>(op, value, derivative, kSpecial, options.value, options.derivative);
  compare<float>(op, value, derivative, kSpecial, options.value, options.derivative);
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

}  // namespace

TEST_CASE("powers and exponentials against the standard library", "[ops]") {
  SECTION("square") {
    check(
        Unary(square), [](double x) { return x * x; }, [](double x) { return 2 * x; });
  }
  SECTION("sqrt") {
    check(
        Unary(sqrt), [](double x) { return std::sqrt(x); },
        [](double x) { return 0.5 / std::sqrt(x); }, {.low = 0, .high = 1e30});
  }
  SECTION("rsqrt") {
    check(
        Unary(rsqrt), [](double x) { return 1 / std::sqrt(x); },
        [](double x) { return -0.5 / std::sqrt(x) / x; }, {.low = 0, .high = 1e20});
  }
  SECTION("exp") {
    const auto f = [](double x) { return std::exp(x); };
    check(Unary(exp), f, f, {.low = -88, .high = 88.7});
  }
  SECTION("expm1") {
    check(
        Unary(expm1), [](double x) { return std::expm1(x); }, [](double x) { return std::exp(x); },
        {.low = -80, .high = 88.7, .derivative = {5e-7, 2e-7}});
  }
  SECTION("log") {
    check(
        Unary(log), [](double x) { return std::log(x); }, [](double x) { return 1 / x; },
        {.low = 0, .high = 1e30});
  }
  SECTION("log1p") {
    check(
        Unary(log1p), [](double x) { return std::log1p(x); }, [](double x) { return 1 / (1 + x); },
        {.low = -0.9, .high = 1e20});
  }
}

TEST_CASE("trigonometry and erf against the standard library", "[ops]") {
  SECTION("sin") {
    check(
        Unary(sin), [](double x) { return std::sin(x); }, [](double x) { return std::cos(x); },
        {.low = -1000, .high = 1000});
  }
  SECTION("cos") {
    check(
        Unary(cos), [](double x) { return std::cos(x); }, [](double x) { return -std::sin(x); },
        {.low = -1000, .high = 1000});
  }
  SECTION("erf") {
    check(
        Unary(erf), [](double x) { return std::erf(x); },
        [](double x) { return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x); },
        {.low = -6, .high = 6, .derivative = {1e-5, 0}});
  }
}

TEST_CASE("sign, size and limits", "[ops]") {
  SECTION("neg") {
    check(
        Unary(neg), [](double x) { return -x; }, [](double) { return -1.0; });
  }
  SECTION("abs has derivative 0 at 0") {
    check(
        Unary(abs), [](double x) { return std::abs(x); }, sign_of);
  }
  SECTION("clamp keeps the gradient inside and at the bounds") {
    check([](const Variable& x) { return clamp(x, -0.5, 2.0); },
          [](double x) { return x < -0.5 ? -0.5
                                : x > 2  ? 2
                                         : x; },
          [](double x) { return x < -0.5 || x > 2 ? 0.0 : 1.0; });
  }
}

TEST_CASE("sign has values but no gradient", "[ops]") {
  Tape tape;
  const Variable x = tape.input(tensor_of<double>(kSpecial));
  const Tensor y = sign(x).value(), slope = gradients(sum(sign(x) + 3.0 * x), {x})[0].value();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    INFO(kSpecial[static_cast<std::size_t>(i)]);
    CHECK(agrees<double>(y.at(i), sign_of(kSpecial[static_cast<std::size_t>(i)]), {}));
    CHECK(slope.at(i) == 3);
  }
}

TEST_CASE("activations against their formulas", "[ops]") {
  const Tolerance rounded_sum{5e-7, 3e-7};
  SECTION("tanh") {
    check(
        Unary(tanh), [](double x) { return std::tanh(x); },
        [](double x) { return 1 - std::tanh(x) * std::tanh(x); }, {.derivative = rounded_sum});
  }
  SECTION("sigmoid") {
    check(Unary(sigmoid), sigmoid_of, [](double x) { return sigmoid_of(x) * (1 - sigmoid_of(x)); },
          {.low = -80, .high = 80, .derivative = rounded_sum});
  }
  SECTION("relu has derivative 0 at 0") {
    check(
        Unary(relu), [](double x) { return std::isnan(x) || x > 0 ? x : 0.0; },
        [](double x) { return x > 0 ? 1.0 : 0.0; });
  }
  SECTION("leaky_relu") {
    check([](const Variable& x) { return leaky_relu(x, 0.1); },
          [](double x) { return x > 0 ? x : 0.1 * x; }, [](double x) { return x > 0 ? 1 : 0.1; });
  }
  SECTION("elu") {
    check([](const Variable& x) { return elu(x, 1.5); },
          [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); },
          [](double x) { return x > 0 ? 1 : 1.5 * std::exp(x); }, {.derivative = rounded_sum});
  }
  SECTION("gelu") {
    const auto distribution = [](double x) { return 0.5 * (1 + std::erf(x / std::sqrt(2.0))); };
    const auto density = [](double x) {
      return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::sqrt(2.0);
    };
    check(
        Unary(gelu), [&](double x) { return x * distribution(x); },
        [&](double x) { return distribution(x) + x * density(x); },
        {.value = {5e-7, 1e-6}, .derivative = {5e-7, 1e-6}});
  }
  SECTION("silu") {
    check(
        Unary(silu), [](double x) { return x * sigmoid_of(x); },
        [](double x) { return sigmoid_of(x) * (1 + x * (1 - sigmoid_of(x))); },
        {.derivative = {5e-7, 2e-6}});
  }
  SECTION("softplus") {
    check(
        Unary(softplus),
        [](double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::abs(x))); }, sigmoid_of);
  }
  SECTION("softsign") {
    const auto f = [](double x) { return x / (1 + std::abs(x)); };
    check(Unary(softsign), f, [&](double x) { return std::pow(1 - std::abs(f(x)), 2); },
          {.derivative = rounded_sum});
  }
}

namespace {

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
