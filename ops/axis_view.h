// AxisView: a shape as three extents around one axis. Internal to ops/.
#pragma once

#include <unroll/autograd/shape.h>

namespace unroll {

/// Element (i, j, k) of outer x extent x inner is at (i * extent + j) * inner + k.
struct AxisView {
  AxisView(const Shape& shape, int axis)
      : outer(shape.product(0, axis)),
        extent(shape[axis]),
        inner(shape.product(axis + 1, shape.rank())) {}

  std::int64_t outer, extent, inner;
};

}  // namespace unroll
