// norm    y = sqrt(sum of x^2),   dx += dy x / y, and 0 where y = 0
#include <algorithm>
#include <cmath>

#include <unroll/autograd/formula_codes.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/reduction_kernel.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

void add_squares(const float* x, float* y, std::int64_t n, bool reduced) {
  if (reduced) {
    *y += simd().dot(x, x, n);
    return;
  }
  constexpr std::int64_t kTile = 256;
  alignas(64) float tile[kTile];
  for (std::int64_t i = 0; i < n; i += kTile) {
    const std::int64_t count = std::min(kTile, n - i);
    simd().primitives[static_cast<std::size_t>(Code::mul)](x + i, x + i, nullptr, tile, count);
    simd().add_to(y + i, tile, count);
  }
}
void add_squares(const double* x, double* y, std::int64_t n, bool reduced) {
  for (std::int64_t i = 0; i < n; ++i) y[reduced ? 0 : i] += x[i] * x[i];
}

class Norm final : public Op {
 public:
  Norm() : Op("norm") {}

  Type infer(const Signature& call) const override {
    return reduced_type(call.input(0), call.attributes.as<ReductionAttributes>());
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }
  void derive(Derivation& d) const override {
    const Shape kept = d.attributes<ReductionAttributes>().kept(d.input(0).shape());
    const Variable y = reshape(d.output(), kept), dy = reshape(d.cotangent(), kept);
    const Variable is_zero = equal(y, 0.0);
    d.add(0, d.input(0) * where(is_zero, 0.0, dy / where(is_zero, 1.0, y)));
  }
  std::size_t attribute_bytes() const override { return sizeof(ReductionAttributes); }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    const T* const x = call.input(0).as<T>();
    T* const y = call.output.as<T>();
    std::fill_n(y, call.output.size(), T{0});
    for_each_run(call.input(0).shape(), call.attributes.as<ReductionAttributes>().mask,
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   add_squares(x + in, y + out, n, reduced);
                 });
    std::transform(y, y + call.output.size(), y, [](T v) { return std::sqrt(v); });
  }
};

const Norm kNorm;

}  // namespace

Variable norm(const Operand& x, const Axes& axes, bool keepdim) {
  return record(kNorm, {x}, ReductionAttributes{axes_mask(x, axes, "norm"), keepdim});
}

}  // namespace unroll
