// Products with a packed matrix: what the pack pass turns matmul and affine into. Internal to ops/.
#pragma once

#include <unroll/autograd/op.h>

namespace unroll {

/// Packing of operand 1 of a float product of rank 2, for products with a bias or without; none for
/// anything else.
Packing packing_of(const Signature& call, bool transposed, bool with_bias);

}  // namespace unroll
