// Where pointwise ops are compared with the standard library, and how exactly.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <unroll/autograd/random.h>
#include <unroll/autograd/tensor.h>

namespace unroll::testing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline const std::vector<double> kSpecial{0.0,  -0.0,  1.0,   -1.0,      2.0,        -0.5,
                                          1e30, -1e30, 1e-30, kInfinity, -kInfinity, std::nan("")};

template <class T>
Tensor tensor_of(const std::vector<double>& values) {
  return Tensor(Shape{static_cast<std::int64_t>(values.size())}, values).to(dtype_of<T>());
}

/// Numbers all over [low, high]: half of them uniform, half with uniform logarithms down to 1e-20.
inline std::vector<double> wide(double low, double high) {
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

}  // namespace unroll::testing
