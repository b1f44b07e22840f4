// Every kernel of every vector unit against its definition in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/formula.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/tests/support/catch.h>

namespace unroll {

// What simd() chooses from.
namespace baseline {
SimdKernels kernels();
}
namespace avx2 {
SimdKernels kernels();
}
namespace avx512 {
SimdKernels kernels();
}

}  // namespace unroll

using namespace unroll;

namespace {

/// The kernels of every vector unit that this CPU has.
std::vector<SimdKernels> all_kernels() {
  std::vector<SimdKernels> result{baseline::kernels()};
  result.back().name = "baseline";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    result.push_back(avx2::kernels());
    result.back().name = "avx2";
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    result.push_back(avx512::kernels());
    result.back().name = "avx512";
  }
#endif
  return result;
}

struct Primitive {
  Code code;
  const char* name;
  int operands;
  double low, high;  ///< of the first operand
  double error;  ///< allowed, in units of float's epsilon relative to the larger of |y| and 2^-60
};

// The bounds are what the vector library promises, with a little room; add to div are exact.
const Primitive kPrimitives[] = {
    {Code::neg, "neg", 1, -100, 100, 0.5},   {Code::abs, "abs", 1, -100, 100, 0.5},
    {Code::sign, "sign", 1, -100, 100, 0.5}, {Code::exp, "exp", 1, -86, 88, 2},
    {Code::log, "log", 1, 1e-30, 1e30, 2},   {Code::log1p, "log1p", 1, -0.99, 100, 3},
    {Code::expm1, "expm1", 1, -20, 80, 3},   {Code::sqrt, "sqrt", 1, 0, 1e20, 0.6},
    {Code::tanh, "tanh", 1, -12, 12, 3},     {Code::sigmoid, "sigmoid", 1, -80, 80, 3},
    {Code::sin, "sin", 1, -10, 10, 6},       {Code::cos, "cos", 1, -10, 10, 6},
    {Code::erf, "erf", 1, -5, 5, 3},         {Code::add, "add", 2, -100, 100, 0.6},
    {Code::sub, "sub", 2, -100, 100, 0.6},   {Code::mul, "mul", 2, -100, 100, 0.6},
    {Code::div, "div", 2, -100, 100, 0.6},   {Code::pow, "pow", 2, 0.01, 20, 2},
    {Code::min, "min", 2, -2, 2, 0.5},       {Code::max, "max", 2, -2, 2, 0.5},
    {Code::less, "less", 2, -2, 2, 0},       {Code::less_equal, "less_equal", 2, -2, 2, 0},
    {Code::equal, "equal", 2, -2, 2, 0},     {Code::not_equal, "not_equal", 2, -2, 2, 0},
    {Code::where, "where", 3, -1, 1, 0},
};

std::vector<float> draw(std::int64_t n, std::uint64_t seed, double low, double high) {
  const Tensor x = random_uniform({n}, seed, low, high, Dtype::float32);
  return {x.data<float>().begin(), x.data<float>().end()};
}

}  // namespace

TEST_CASE("every primitive of every vector unit agrees with its definition", "[formula]") {
  constexpr std::int64_t kCount = 4099;
  for (const SimdKernels& kernels : all_kernels()) {
    for (const Primitive& p : kPrimitives) {
      const auto a = draw(kCount, 1, p.low, p.high), b = draw(kCount, 2, -2, 2),
                 c = draw(kCount, 3, -2, 2);
      std::vector<float> y(kCount);
      kernels.primitives[static_cast<int>(p.code)](a.data(), p.operands > 1 ? b.data() : nullptr,
                                                   p.operands > 2 ? c.data() : nullptr, y.data(),
                                                   kCount);
      double worst = 0, at = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double expected = evaluate(p.code, a[i], b[i], c[i]);
        const double size = std::max(std::abs(expected), 0x1p-60);
        const double error = std::abs(y[i] - expected) / size / 0x1p-23;
        if (error > worst) at = a[i];
        worst = std::max(worst, error);
      }
      INFO(kernels.name << " " << p.name << ": " << worst << " epsilons at " << at);
      CHECK(worst <= p.error);
    }
  }
}

TEST_CASE("special values follow the definition", "[formula]") {
  const float inf = INFINITY, nan = NAN;
  const std::vector<float> values{0.0f, -0.0f, 1.0f, -1.0f, inf, -inf, nan, 0.5f, -2.0f, 100.0f};
  for (const SimdKernels& kernels : all_kernels()) {
    for (const Primitive& p : kPrimitives) {
      for (const float a : values) {
        for (const float b : values) {
          float y = 0;
          kernels.primitives[static_cast<int>(p.code)](&a, p.operands > 1 ? &b : nullptr,
                                                       p.operands > 2 ? &a : nullptr, &y, 1);
          const auto expected = static_cast<float>(evaluate(p.code, a, b, a));
          INFO(kernels.name << " " << p.name << "(" << a << ", " << b << ") = " << y
                            << ", expected " << expected);
          const bool same = std::isnan(expected)
                                ? std::isnan(y)
                                : y == Approx(expected).epsilon(1e-6).margin(1e-20);
          CHECK(same);
        }
      }
    }
  }
}

TEST_CASE("an element's bits depend neither on its place nor on the length", "[formula]") {
  for (const SimdKernels& kernels : all_kernels()) {
    for (const Primitive& p : kPrimitives) {
      const auto a = draw(80, 4, p.low, p.high), b = draw(80, 5, -2, 2), c = draw(80, 6, -2, 2);
      const auto tile = kernels.primitives[static_cast<int>(p.code)];
      const auto call = [&](std::size_t first, std::size_t n) {
        std::vector<float> y(n + 1, 12345.0f);
        tile(a.data() + first, p.operands > 1 ? b.data() + first : nullptr,
             p.operands > 2 ? c.data() + first : nullptr, y.data(), static_cast<std::int64_t>(n));
        REQUIRE(y[n] == 12345.0f);  // nothing is written behind the end
        y.pop_back();
        return y;
      };
      const std::vector<float> whole = call(0, 80);
      INFO(kernels.name << " " << p.name);
      for (std::size_t n = 0; n <= 40; ++n) {
        for (const std::size_t first : {0, 1, 7, 40}) {
          const std::vector<float> part = call(first, n);
          REQUIRE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(first)));
        }
      }
      // In place.
      std::vector<float> own = a;
      tile(own.data(), p.operands > 1 ? b.data() : nullptr, p.operands > 2 ? c.data() : nullptr,
           own.data(), 80);
      REQUIRE(own == whole);
    }
  }
}

TEST_CASE("the other vector kernels agree with plain loops", "[formula]") {
  for (const SimdKernels& kernels : all_kernels()) {
    INFO(kernels.name);
    for (std::int64_t n = 0; n <= 300; n += n < 70 ? 1 : 23) {
      const auto x = draw(n, 1, -2, 2), z = draw(n, 2, -2, 2);
      const auto size = static_cast<std::size_t>(n);
      double sum = 0, product = 0, largest = -INFINITY, exponentials = 0;
      for (std::size_t i = 0; i < size; ++i) {
        sum += x[i];
        product += double{x[i]} * z[i];
        largest = std::max<double>(largest, x[i]);
        exponentials += std::exp(x[i] - 0.5);
      }
      REQUIRE(kernels.sum(x.data(), n) == Approx(sum).epsilon(1e-5).margin(1e-4));
      REQUIRE(kernels.dot(x.data(), z.data(), n) == Approx(product).epsilon(1e-5).margin(1e-4));
      REQUIRE(kernels.max(x.data(), n) == largest);
      std::vector<float> y(size);
      REQUIRE(kernels.exp_shifted(x.data(), 0.5f, y.data(), n) ==
              Approx(exponentials).epsilon(1e-5));
      REQUIRE(kernels.exp_shifted(x.data(), 0.5f, nullptr, n) ==
              Approx(exponentials).epsilon(1e-5));
      for (std::size_t i = 0; i < size; ++i) {
        REQUIRE(y[i] == Approx(std::exp(x[i] - 0.5)).epsilon(1e-6));
      }
      y = z;
      kernels.add_to(y.data(), x.data(), n);
      for (std::size_t i = 0; i < size; ++i) REQUIRE(y[i] == z[i] + x[i]);
      y = z;
      kernels.add_scaled(y.data(), x.data(), 0.5f, n);
      for (std::size_t i = 0; i < size; ++i)
        REQUIRE(y[i] == Approx(z[i] + 0.5 * x[i]).margin(1e-6));
      kernels.scale_shift(x.data(), 2, 1, y.data(), n);
      for (std::size_t i = 0; i < size; ++i) REQUIRE(y[i] == Approx(2 * x[i] + 1.0).margin(1e-6));
    }
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{36}}) {
      std::vector<float> x(37, 1.0f);
      x[at] = NAN;
      CHECK(std::isnan(kernels.max(x.data(), 37)));
    }
  }
}
