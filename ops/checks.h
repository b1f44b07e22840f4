// Checks that several ops share. Internal to ops/.
#pragma once

#include <cstdint>
#include <string_view>

#include <unroll/autograd/dtype.h>
#include <unroll/ops/axes.h>

namespace unroll {

/// Throws DtypeError unless `dtype` is float32 or float64.
void expect_floating(Dtype dtype);

/// axes_mask of an operand that has to be floating; errors name the user's line and `op`.
std::uint32_t floating_axes_mask(const Operand& x, const Axes& axes, std::string_view op);

}  // namespace unroll
