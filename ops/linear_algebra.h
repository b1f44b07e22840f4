// Matrix products. float32 runs in vector kernels, float64 in plain loops.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

/// a [..., m, k] times b [..., k, n] = [..., m, n]; leading axes broadcast. A vector operand [k]
/// counts as a row (a) or column (b), and that axis disappears. A transpose of the last two axes
/// of an operand is folded into the product. Throws ShapeError if the inner extents differ.
Variable matmul(const Operand& a, const Operand& b);
/// x W + b: x [..., i], W [i, o], b [o] = [..., o], in one pass.
Variable affine(const Operand& x, const Operand& w, const Operand& b);
/// x W^T + b: x [..., i], weight [o, i], bias [o] = [..., o], as PyTorch's linear. The bias may be
/// left out. Throws ShapeError if the extents do not fit.
Variable linear(const Operand& x, const Operand& weight, const Operand& bias);
Variable linear(const Operand& x, const Operand& weight);
/// sum_i a_i b_i of two vectors [n]: a scalar.
Variable dot(const Operand& a, const Operand& b);
/// a_i b_j of vectors [m] and [n]: [m, n].
Variable outer(const Operand& a, const Operand& b);

}  // namespace unroll
