// What reductions over axes share: attributes, types, and the walk over an array. Internal to ops/.
#pragma once

#include <array>
#include <cstdint>

#include <unroll/autograd/op.h>

namespace unroll {

/// The attributes of a reduction.
struct ReductionAttributes {
  std::uint32_t mask;     ///< bit k is set if axis k is reduced
  std::uint32_t keepdim;  ///< 1 if reduced axes stay with extent 1

  Shape result(const Shape& x) const;
  /// The result with the reduced axes still there: it broadcasts with x.
  Shape kept(const Shape& x) const;
};

/// The type of a reduction of x; throws DtypeError unless x is floating.
Type reduced_type(const Type& x, const ReductionAttributes& reduction);

/// Calls f(in, out, n, reduced) for every innermost run of n elements at input offset `in` whose
/// results belong at output offset `out`: into that one element if `reduced`, else into n elements.
/// Adjacent axes that are treated alike are merged, so runs are as long as possible.
template <class F>
void for_each_run(const Shape& shape, std::uint32_t mask, F f) {
  struct Group {
    std::int64_t extent;
    bool reduced;
    std::int64_t out_stride;
  };
  std::array<Group, Shape::kMaxRank + 1> groups{};
  std::size_t count = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduced = (mask >> axis & 1) != 0;
    if (shape[axis] == 1) continue;
    if (count > 0 && groups[count - 1].reduced == reduced) {
      groups[count - 1].extent *= shape[axis];
    } else {
      groups[count++] = {shape[axis], reduced, 0};
    }
  }
  if (count == 0) groups[count++] = {1, false, 0};
  std::int64_t stride = 1;
  for (std::size_t g = count; g-- > 0;) {
    if (groups[g].reduced) continue;
    groups[g].out_stride = stride;
    stride *= groups[g].extent;
  }
  const Group inner = groups[count - 1];
  const std::int64_t total = shape.size();
  std::array<std::int64_t, Shape::kMaxRank + 1> position{};
  std::int64_t out = 0;
  for (std::int64_t in = 0; in < total; in += inner.extent) {
    f(in, out, inner.extent, inner.reduced);
    for (std::size_t g = count - 1; g-- > 0;) {
      out += groups[g].out_stride;
      if (++position[g] < groups[g].extent) break;
      out -= groups[g].out_stride * groups[g].extent;
      position[g] = 0;
    }
  }
}

}  // namespace unroll
