// Ops that pick elements by int32 indices. Indices are data: they are checked when the value is
// computed, and an index out of range then throws ValueError naming it and the user's line.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

/// Embedding lookup: rows ids [...] of table [n, width], as [..., width], for ids of any shape. The
/// table's gradient is row-sparse: a parameter's Gradients hold only the rows that were looked up.
Variable rows(const Operand& table, const Operand& ids);
/// Rows ids [...] of x [n, ...], of any rank and dtype, and zeros where the id is -1. The gradient
/// is dense: for moving the rows of a batch, where `rows` is for few rows of a large table.
Variable take_rows(const Operand& x, const Operand& ids);
/// y[..., i, ...] = x[..., index[..., i, ...], ...] along `axis`; index has x's rank, and its
/// extents may be smaller (PyTorch's gather).
Variable gather(const Operand& x, int axis, const Operand& index);
/// x with source[..., i, ...] added at index[..., i, ...] along `axis` (PyTorch's scatter_add);
/// index as in gather. Of a source that is larger than index, the elements beyond it do not count.
Variable scatter_add(const Operand& x, int axis, const Operand& index, const Operand& source);
/// ids [...] -> [..., classes] with 1 at the id; an id outside [0, classes) throws ValueError.
Variable one_hot(const Operand& ids, std::int64_t classes, Dtype dtype = Dtype::float32);

}  // namespace unroll
