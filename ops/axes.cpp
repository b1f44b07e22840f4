// Axes: resolution against a shape.
#include <unroll/ops/axes.h>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>

namespace unroll {

std::uint32_t Axes::mask(const Shape& shape) const {
  if (all_) return (std::uint32_t{1} << shape.rank()) - 1;
  std::uint32_t mask = 0;
  for (const int axis : list_) {
    const std::uint32_t bit = std::uint32_t{1} << shape.normalized_axis(axis);
    if (mask & bit) throw ValueError(fmt::format("axis {} is named twice", axis));
    mask |= bit;
  }
  return mask;
}

std::uint32_t axes_mask(const Operand& x, const Axes& axes, std::string_view op) {
  return blame(x.where(), op, [&] { return axes.mask(x.shape()); });
}

int axis_of(const Operand& x, int axis, std::string_view op) {
  return blame(x.where(), op, [&] { return x.shape().normalized_axis(axis); });
}

Shape reduced_shape(const Shape& shape, std::uint32_t mask, bool keepdim) {
  std::vector<std::int64_t> extents;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduced = (mask >> axis & 1) != 0;
    if (!reduced) extents.push_back(shape[axis]);
    if (reduced && keepdim) extents.push_back(1);
  }
  return Shape(extents);
}

}  // namespace unroll
