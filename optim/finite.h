// How large floats are, by their exponents: loops that become vector code, unlike std::isfinite.
// What can overflow in one update: with rates of at most kHighRate, parameters below kLargeValue
// and moments and gradients below kLargeGradient stay finite, for formulas add a few such products
// or square their sum; and moments stay below, being means of gradients or sums that fade. Whoever
// divides by what may be tiny, or multiplies by more, is steep.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <unroll/autograd/tensor.h>

namespace unroll::optim::detail {

constexpr double kHighRate = 1e6;
template <class T>
constexpr T kLargeValue = sizeof(T) == 4 ? T(0x1p40) : T(0x1p320);
template <class T>
constexpr T kLargeGradient = sizeof(T) == 4 ? T(0x1p60) : T(0x1p480);

/// |x| < limit for all; limit is a power of two or infinity, and NaN is below nothing.
template <class T>
bool all_below(const T* values, std::size_t n, T limit) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kExponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  const auto bound = std::bit_cast<Bits>(limit);
  Bits bad = 0;
  for (std::size_t i = 0; i < n; ++i) {
    bad |= Bits((std::bit_cast<Bits>(values[i]) & kExponent) >= bound);
  }
  return bad == 0;
}

/// The same for elements [begin, end) of a tensor of either dtype.
bool is_below(const Tensor& tensor, float limit, double limit64, std::size_t begin,
              std::size_t end);
bool is_below(const Tensor& tensor, float limit, double limit64);

enum class Size { small, large, not_finite };

/// Of the largest of elements [begin, end), small if it is below kLargeGradient.
Size size_of(const Tensor& tensor, std::size_t begin, std::size_t end);

/// Is an element NaN or infinite that was finite before?
bool became_non_finite(const Tensor& tensor, const Tensor& before);

}  // namespace unroll::optim::detail
