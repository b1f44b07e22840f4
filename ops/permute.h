// How products recognise operands that were transposed. Internal to ops/.
#pragma once

#include <unroll/autograd/variable.h>

namespace unroll {

/// True if `x` was recorded by permute (or transpose) and exchanges exactly its last two axes;
/// `source` then becomes the variable it was applied to.
bool is_transpose_of_last_axes(const Variable& x, Variable& source);

}  // namespace unroll
