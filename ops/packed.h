// Products with a packed matrix: what the pack pass turns matmul and affine into. Internal to ops/.
#pragma once

#include <unroll/autograd/op.h>
#include <unroll/ops/matmul.h>

namespace unroll {

/// Packing of operand 1 of a float product of rank 2, for products with a bias or without; none for
/// anything else, and none for a transposed operand 0 unless `bf16`.
Packing packing_of(const Signature& call, Transposed transposed, bool with_bias, bool bf16);

}  // namespace unroll
