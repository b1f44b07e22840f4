// The shape rules of reductions.
#include <unroll/ops/reduction_kernel.h>

#include <unroll/ops/axes.h>
#include <unroll/ops/checks.h>

namespace unroll {

Shape ReductionAttributes::result(const Shape& x) const {
  return reduced_shape(x, mask, keepdim != 0);
}

Shape ReductionAttributes::kept(const Shape& x) const { return reduced_shape(x, mask, true); }

Type reduced_type(const Type& x, const ReductionAttributes& reduction) {
  expect_floating(x.dtype);
  return {x.dtype, reduction.result(x.shape)};
}

}  // namespace unroll
