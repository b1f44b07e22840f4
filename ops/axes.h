// Axes: which axes of a shape an op works on, as callers write them.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <unroll/autograd/variable.h>

namespace unroll {

/// One axis, a list of axes, or all of them; negative numbers count from the end.
class Axes {
 public:
  Axes() = default;  ///< all axes
  /// Whole numbers only: in max(x, 0.5) the number is an operand.
  template <std::integral I>
  Axes(I axis)
      : list_{static_cast<int>(axis)}, count_(1), all_(false) {}  // NOLINT(google-explicit-*)
  Axes(std::initializer_list<int> axes) : count_(std::min(axes.size(), kMost)), all_(false) {
    std::copy_n(axes.begin(), count_, list_.begin());
  }

  /// Bit k is set if axis k is meant. Throws ShapeError for an axis that `shape` does not have,
  /// ValueError for one that is named twice.
  std::uint32_t mask(const Shape& shape) const;

 private:
  /// So many cannot all be different axes of a shape, and the first ones tell why.
  static constexpr std::size_t kMost = Shape::kMaxRank + 1;
  std::array<int, kMost> list_{};
  std::size_t count_ = 0;
  bool all_ = true;
};

/// `shape` with the axes in `mask` set to extent 1, or removed.
Shape reduced_shape(const Shape& shape, std::uint32_t mask, bool keepdim);

/// `axes` resolved against the shape of an operand; errors name the user's line and `op`.
std::uint32_t axes_mask(const Operand& x, const Axes& axes, std::string_view op);
/// The same for one axis: its number.
int axis_of(const Operand& x, int axis, std::string_view op);

}  // namespace unroll
