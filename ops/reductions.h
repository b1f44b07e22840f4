// Reductions over axes, and cumulative sums. `axes` is one axis, a list {0, 2}, or nothing for all;
// reduced axes disappear, or stay with extent 1 if `keepdim`.
#pragma once

#include <unroll/autograd/tape.h>
#include <unroll/ops/axes.h>

namespace unroll {

/// y = sum of x. Over no elements: 0.
Variable sum(const Operand& x, const Axes& axes = {}, bool keepdim = false);
/// y = sum of x / number of elements. Over no elements: NaN.
Variable mean(const Operand& x, const Axes& axes = {}, bool keepdim = false);
/// The largest (smallest) element, NaN if there is one; equal ones share the gradient.
/// Throws ShapeError over no elements.
Variable max(const Operand& x, const Axes& axes, bool keepdim = false);
Variable min(const Operand& x, const Axes& axes, bool keepdim = false);
/// max(x, 1) is over axis 1; the larger of x and the number 1 is max(x, 1.0).
template <std::integral I>
Variable max(const Operand& x, I axis, bool keepdim = false) {
  return max(x, Axes(axis), keepdim);
}
template <std::integral I>
Variable min(const Operand& x, I axis, bool keepdim = false) {
  return min(x, Axes(axis), keepdim);
}
/// int32 position of the largest element along `axis`, the first one if several are equal.
Variable argmax(const Operand& x, int axis, bool keepdim = false);
/// log(sum(exp(x))) without overflow; -inf if all are -inf.
Variable logsumexp(const Operand& x, const Axes& axes, bool keepdim = false);
/// Mean squared deviation from the mean; divided by n - correction (1: the unbiased estimate).
Variable var(const Operand& x, const Axes& axes = {}, double correction = 1, bool keepdim = false);
/// Euclidean length sqrt(sum x^2); the gradient at length 0 is 0.
Variable norm(const Operand& x, const Axes& axes = {}, bool keepdim = false);
/// y[i] = x[0] + ... + x[i] along `axis`.
Variable cumsum(const Operand& x, int axis);

/// Sums x over the axes along which `shape` was broadcast to x's shape: the derivative of
/// broadcasting. Throws ShapeError if `shape` does not broadcast to it.
Variable sum_to(const Operand& x, const Shape& shape);

}  // namespace unroll
