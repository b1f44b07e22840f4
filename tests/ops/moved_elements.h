// Index arithmetic: what an op that only moves elements has to give.
#pragma once

#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include <unroll/autograd/tape_state.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

inline constexpr Dtype kDtypes[] = {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::bool_};

/// 0, 1, 2, ... (for bool: 1 at every third place).
inline Tensor counting(const Shape& shape, Dtype dtype) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  std::iota(values.begin(), values.end(), 0.0);
  if (dtype == Dtype::bool_) {
    for (double& v : values) v = static_cast<int>(v) % 3 == 1;
  }
  return Tensor(shape, values).to(dtype);
}

using Position = std::vector<std::int64_t>;

inline Position position_of(std::int64_t index, const Shape& shape) {
  Position position(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = index % shape[axis];
    index /= shape[axis];
  }
  return position;
}

inline std::int64_t index_of(const Position& position, const Shape& shape) {
  std::int64_t index = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    index = index * shape[axis] + position[static_cast<std::size_t>(axis)];
  }
  return index;
}

/// Checks that every element of y is the element of x at the position `source(position in y)`.
inline void check_moved(const Tensor& y, const Tensor& x,
                        const std::function<Position(Position)>& source) {
  CHECK(y.dtype() == x.dtype());
  bool right = true;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const Position from = source(position_of(i, y.shape()));
    right = right && y.at(i) == x.at(index_of(from, x.shape()));
  }
  CHECK(right);
}

inline const std::vector<Shape> kShapes{
    {1},       {5},         {0},           {2, 3},          {1, 4},
    {3, 0},    {0, 3},      {17, 19},      {2, 3, 4},       {3, 1, 2},
    {2, 0, 3}, {33, 2, 18}, {2, 20, 1, 3}, {2, 1, 3, 2, 2}, {2, 3, 1, 2, 1, 3}};

/// Does computing this node run no kernel?
inline bool is_alias(const Variable& x) {
  const TapeState& state = x.state();
  const Node& node = state.nodes[x.index()];
  RecycledVector<const Type*> scratch;
  return node.op->alias_offset(signature_of(state, node, scratch), *node.type) >= 0;
}

}  // namespace unroll::testing
