// logsumexp    y = log(sum of exp(x - m)) + m with the maximum m,   dx += dy exp(x - y)
#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/autograd/formula_codes.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/checks.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/reduction_kernel.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

void add_exp(const float* x, const float* m, float* y, std::int64_t n, bool reduced) {
  if (reduced) {
    *y += simd().exp_shifted(x, *m, nullptr, n);
    return;
  }
  constexpr std::int64_t kTile = 256;
  alignas(64) float tile[kTile];
  const auto primitive = [&](Code code) {
    return simd().primitives[static_cast<std::size_t>(code)];
  };
  for (std::int64_t i = 0; i < n; i += kTile) {
    const std::int64_t count = std::min(kTile, n - i);
    primitive(Code::sub)(x + i, m + i, nullptr, tile, count);
    primitive(Code::exp)(tile, nullptr, nullptr, tile, count);
    simd().add_to(y + i, tile, count);
  }
}
void add_exp(const double* x, const double* m, double* y, std::int64_t n, bool reduced) {
  for (std::int64_t i = 0; i < n; ++i) y[reduced ? 0 : i] += std::exp(x[i] - m[reduced ? 0 : i]);
}

void log_plus(const float* m, float* y, std::int64_t n) {
  simd().primitives[static_cast<std::size_t>(Code::log)](y, nullptr, nullptr, y, n);
  simd().add_to(y, m, n);
}
void log_plus(const double* m, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::log(y[i]) + m[i];
}

/// x with infinities replaced by the largest numbers: differences with it are never NaN.
Variable finite(const Operand& x) {
  const double limit = x.dtype(Dtype::float32) == Dtype::float32
                           ? double{std::numeric_limits<float>::max()}
                           : std::numeric_limits<double>::max();
  return clamp(x, -limit, limit);
}

/// Inputs: x and its maxima with keepdim. The result does not depend on the second one, so that
/// it needs no derivative.
class LogSumExp final : public Op {
 public:
  LogSumExp() : Op("logsumexp") {}

  Type infer(const Signature& call) const override {
    return reduced_type(call.input(0), call.attributes.as<ReductionAttributes>());
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }
  void derive(Derivation& d) const override {
    const Shape kept = d.input(1).shape();
    const Variable y = reshape(d.output(), kept), dy = reshape(d.cotangent(), kept);
    d.add(0, exp(d.input(0) - finite(y)) * dy);
  }
  std::size_t attribute_bytes() const override { return sizeof(ReductionAttributes); }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    const T *const x = call.input(0).as<T>(), *const m = call.input(1).as<T>();
    T* const y = call.output.as<T>();
    std::fill_n(y, call.output.size(), T{0});
    for_each_run(call.input(0).shape(), call.attributes.as<ReductionAttributes>().mask,
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   add_exp(x + in, m + out, y + out, n, reduced);
                 });
    log_plus(m, y, call.output.size());
  }
};

const LogSumExp kLogSumExp;

}  // namespace

Variable logsumexp(const Operand& x, const Axes& axes, bool keepdim) {
  const std::uint32_t mask = floating_axes_mask(x, axes, "logsumexp");
  if (x.shape().size() == 0) {  // no terms: log(0), but without a derivative that is infinite
    return x.with(sum(x, axes, keepdim)) - std::numeric_limits<double>::infinity();
  }
  const Variable largest = finite(x.with(max(x, axes, true)));
  return record(kLogSumExp, {x, largest}, ReductionAttributes{mask, keepdim});
}

}  // namespace unroll
