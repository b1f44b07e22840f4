// Sizes of memory in classes, for lists of free places of one size: four classes per power of two,
// so at most a quarter is wasted. Internal.
#pragma once

#include <bit>
#include <cstddef>

#include <unroll/autograd/arena.h>

namespace unroll {

inline constexpr std::size_t kSizeClasses = 256;

/// Classes 0..3 hold 1..4 cache lines; above, a class is a power of two and its two top bits.
constexpr std::size_t size_class(std::size_t bytes) {
  const std::size_t n = aligned_size(bytes) / kAlignment;
  if (n <= 4) return n - 1;
  const auto shift = static_cast<std::size_t>(std::bit_width(n - 1)) - 3;
  return 4 * shift + ((n - 1) >> shift);
}

/// The most bytes of a class.
constexpr std::size_t bytes_of_class(std::size_t index) {
  if (index < 4) return (index + 1) * kAlignment;
  const std::size_t shift = (index - 4) / 4;
  return ((4 + (index - 4) % 4 + 1) << shift) * kAlignment;
}

}  // namespace unroll
