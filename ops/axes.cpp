// Axes: resolution against a shape.
#include <unroll/ops/axes.h>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>

namespace unroll {

std::uint32_t Axes::mask(const Shape& shape) const {
  if (all_) return (std::uint32_t{1} << shape.rank()) - 1;
  std::uint32_t mask = 0;
  for (const int axis : std::span(list_).first(count_)) {
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
  Shape result = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if ((mask >> axis & 1) == 0) continue;
    result = keepdim ? result.with(axis, 1) : result.without(axis);
  }
  return result;
}

}  // namespace unroll
