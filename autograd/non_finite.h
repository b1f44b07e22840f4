// find_non_finite: where a computation first became NaN or infinite.
#pragma once

#include <string>

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/variable.h>

namespace unroll {

/// The op at which a loss that is not finite, or else its gradients by the parameters of the set,
/// began to be so, for an error message:
///   "model.cpp:42: log: float32 [2, 3] holds nan at [0, 1]; computed from float32 [2, 3]"
/// Follows NaN, and then infinities other than constants, back to a value whose operands are all
/// finite, or to data. Computes everything again, value by value, so it takes the memory of all of
/// them; the tape is afterwards as it was. Empty if all is finite.
std::string find_non_finite(const Variable& loss, const ParameterSet& parameters);

}  // namespace unroll
