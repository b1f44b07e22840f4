// The pointwise ops of one operand against the standard library: values and derivatives in float64
// and float32, over wide ranges and at special values.
#include <cmath>
#include <limits>
#include <numbers>

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
    Tape tape;  // 0 belongs to the exponential, by the value's sign as by the derivative
    const Variable zero = tape.input(Tensor::scalar(0.0)), y = elu(zero, -1);
    CHECK(std::signbit(y.item()));
    CHECK(gradients(y, {zero}).front().item() == -1);
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
