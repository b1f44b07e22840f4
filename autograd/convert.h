// The value of one element type as another, defined for every value. Internal.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace unroll {

/// As Tensor::to: int32 drops the fraction, what is out of its range becomes the nearest limit and
/// NaN 0; bool is `!= 0`.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, std::int32_t> && std::is_floating_point_v<From>) {
    using Limits = std::numeric_limits<std::int32_t>;
    if (std::isnan(value)) return 0;
    return static_cast<To>(std::clamp<double>(value, Limits::min(), Limits::max()));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace unroll
