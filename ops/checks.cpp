// Checks that several ops share.
#include <unroll/ops/checks.h>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>

namespace unroll {

void expect_floating(Dtype dtype) {
  if (is_floating(dtype)) return;
  throw DtypeError(fmt::format("got {}; expected float32 or float64", name_of(dtype)));
}

std::uint32_t floating_axes_mask(const Operand& x, const Axes& axes, std::string_view op) {
  blame(x.where(), op, [&] { expect_floating(x.dtype(Dtype::float32)); });
  return axes_mask(x, axes, op);
}

}  // namespace unroll
