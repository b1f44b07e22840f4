// Ops that move elements without computing: reshape, transpose, slices, joins.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include <unroll/autograd/tape.h>

namespace unroll {

/// The same elements in row-major order under another shape of equal size; costs nothing. One
/// extent may be -1: it is found from the size. Throws ShapeError if the sizes differ.
Variable reshape(const Operand& x, std::initializer_list<std::int64_t> extents);
Variable reshape(const Operand& x, const Shape& shape);
/// Axes in a new order: y's axis k is x's axis order[k].
Variable permute(const Operand& x, std::span<const int> order);
Variable permute(const Operand& x, std::initializer_list<int> order);
/// Two axes exchanged. Products take transposed operands as they are, without copying.
Variable transpose(const Operand& x, int axis_a = -2, int axis_b = -1);
/// Elements begin, begin + step, ... before `end` along `axis`; negative begin and end count from
/// the end, and both are limited to the extent. step >= 1. Along axis 0 with step 1 it costs
/// nothing.
Variable slice(const Operand& x, int axis, std::int64_t begin, std::int64_t end,
               std::int64_t step = 1);
/// Element `index` along `axis`, which disappears. Along axis 0 it costs nothing.
Variable select(const Operand& x, int axis, std::int64_t index);
/// Joined along an existing axis; the other extents must agree.
Variable concat(std::span<const Variable> parts, int axis, Location at = Location::current());
Variable concat(std::initializer_list<Variable> parts, int axis, Location at = Location::current());
/// Joined along a new axis; the shapes must agree.
Variable stack(std::span<const Variable> parts, int axis = 0, Location at = Location::current());
Variable stack(std::initializer_list<Variable> parts, int axis = 0,
               Location at = Location::current());
/// `count` equal parts along `axis`; throws ShapeError unless the extent is a multiple of it.
Variables split(const Operand& x, int count, int axis);
/// Broadcast to `shape` by NumPy's rule.
Variable expand(const Operand& x, const Shape& shape);
/// `before` and `after` more elements of `value` along `axis`. Throws ValueError for negative
/// numbers of elements, and beside int32 for a value that int32 does not hold.
Variable pad(const Operand& x, int axis, std::int64_t before, std::int64_t after, double value = 0);
/// Reversed along `axis`.
Variable flip(const Operand& x, int axis);

}  // namespace unroll
