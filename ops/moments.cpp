// mean    y = sum of x / n
// var     y = sum of (x - mean)^2 / (n - correction),   dx += dy 2 (x - mean) / (n - correction)
#include <algorithm>

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

struct VarAttributes {
  double divisor;
  ReductionAttributes reduction;
};

constexpr std::int64_t kTile = 256;

/// Adds (x - mean)^2, tile by tile.
void add_squares(const float* x, const float* mean, float* y, std::int64_t n, bool reduced) {
  alignas(64) float tile[kTile];
  const auto primitive = [](Code code) {
    return simd().primitives[static_cast<std::size_t>(code)];
  };
  for (std::int64_t i = 0; i < n; i += kTile) {
    const std::int64_t count = std::min(kTile, n - i);
    if (reduced) {
      simd().scale_shift(x + i, 1, -*mean, tile, count);
      *y += simd().dot(tile, tile, count);
    } else {
      primitive(Code::sub)(x + i, mean + i, nullptr, tile, count);
      primitive(Code::mul)(tile, tile, nullptr, tile, count);
      simd().add_to(y + i, tile, count);
    }
  }
}
void add_squares(const double* x, const double* mean, double* y, std::int64_t n, bool reduced) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double deviation = x[i] - mean[reduced ? 0 : i];
    y[reduced ? 0 : i] += deviation * deviation;
  }
}

/// Inputs: x and its mean with keepdim. The derivative by the second one is 0 at the mean, which
/// is where it always is.
class Var final : public Op {
 public:
  Var() : Op("var") {}

  Type infer(const Signature& call) const override {
    return reduced_type(call.input(0), call.attributes.as<VarAttributes>().reduction);
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }
  void derive(Derivation& d) const override {
    const auto a = d.attributes<VarAttributes>();
    const Variable dy = reshape(d.cotangent(), d.input(1).shape());
    d.add(0, (d.input(0) - d.input(1)) * (dy * (2 / a.divisor)));
  }
  std::size_t attribute_bytes() const override { return sizeof(VarAttributes); }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    const auto a = call.attributes.as<VarAttributes>();
    const T *const x = call.input(0).as<T>(), *const mean = call.input(1).as<T>();
    T* const y = call.output.as<T>();
    std::fill_n(y, call.output.size(), T{0});
    for_each_run(call.input(0).shape(), a.reduction.mask,
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   add_squares(x + in, mean + out, y + out, n, reduced);
                 });
    const T divisor = static_cast<T>(a.divisor);
    std::transform(y, y + call.output.size(), y, [=](T v) { return v / divisor; });
  }
};

const Var kVar;

/// The number of elements that go into one result.
double count_of(const Shape& shape, std::uint32_t mask) {
  std::int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if ((mask >> axis & 1) != 0) count *= shape[axis];
  }
  return static_cast<double>(count);
}

}  // namespace

Variable mean(const Operand& x, const Axes& axes, bool keepdim) {
  const std::uint32_t mask = floating_axes_mask(x, axes, "mean");
  const Variable total = sum(x, axes, keepdim);
  return div(x.with(total), count_of(x.shape(), mask));
}

Variable var(const Operand& x, const Axes& axes, double correction, bool keepdim) {
  const std::uint32_t mask = floating_axes_mask(x, axes, "var");
  const double divisor = std::max(count_of(x.shape(), mask) - correction, 0.0);
  const Variable center = mean(x, axes, true);
  return record(kVar, {x, center}, VarAttributes{divisor, {mask, keepdim}});
}

}  // namespace unroll
