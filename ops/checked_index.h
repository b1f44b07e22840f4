// checked_index: indices are data, so they are checked when they are used. Internal to ops/.
#pragma once

#include <cstdint>
#include <string_view>

#include <unroll/autograd/op.h>

namespace unroll {

/// Throws ValueError: "got target 7 at [1, 2]; expected 0 <= target < 5".
[[noreturn]] void throw_out_of_range(std::string_view what, const ConstView& indices,
                                     std::int64_t position, std::int64_t bound);

/// The int32 element at row-major `position` of `indices`, if it is in [0, bound); else throws.
inline std::int64_t checked_index(const ConstView& indices, std::int64_t position,
                                  std::int64_t bound, std::string_view what = "index") {
  const std::int64_t index = indices.as<std::int32_t>()[position];
  if (index < 0 || index >= bound) throw_out_of_range(what, indices, position, bound);
  return index;
}

}  // namespace unroll
