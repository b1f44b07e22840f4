// max, min    y = the largest (smallest) x over axes
//             dx += dy / (number of elements equal to y) where x = y
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/formula_codes.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/reduction_kernel.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// The number of elements of x that equal y, which is x's maximum or minimum with keepdim: NaN
/// equals nothing. It is constant almost everywhere, so it has a derivative: none.
class Ties final : public Op {
 public:
  Ties() : Op("max.ties", {.internal = true}) {}

  Type infer(const Signature& call) const override { return call.input(1); }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return count<float>(call);
    count<double>(call);
  }
  void derive(Derivation&) const override {}
  std::size_t attribute_bytes() const override { return sizeof(std::uint32_t); }

 private:
  template <class T>
  static void count(const KernelCall& call) {
    const T *const x = call.input(0).as<T>(), *const y = call.input(1).as<T>();
    T* const ties = call.output.as<T>();
    std::fill_n(ties, call.output.size(), T{0});
    for_each_run(call.input(0).shape(), call.attributes.as<std::uint32_t>(),
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   if (reduced) {
                     ties[out] += static_cast<T>(std::count(x + in, x + in + n, y[out]));
                     return;
                   }
                   for (std::int64_t k = 0; k < n; ++k) ties[out + k] += x[in + k] == y[out + k];
                 });
  }
};

const Ties kTies;

template <class T>
T larger(T a, T b) {
  return a != a || a > b ? a : b;
}
template <class T>
T smaller(T a, T b) {
  return a != a || a < b ? a : b;
}

/// *y = the most extreme of *y and x[0], ..., x[n - 1].
template <class T>
void extreme_of(bool largest, const T* x, T* y, std::int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    if (largest) {
      *y = larger(simd().max(x, n), *y);
      return;
    }
  }
  for (std::int64_t k = 0; k < n; ++k) *y = largest ? larger(x[k], *y) : smaller(x[k], *y);
}

/// y[k] = the more extreme of y[k] and x[k].
template <class T>
void extreme_each(bool largest, const T* x, T* y, std::int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    const auto code = static_cast<std::size_t>(largest ? Code::max : Code::min);
    simd().primitives[code](y, x, nullptr, y, n);
  } else {
    for (std::int64_t k = 0; k < n; ++k) y[k] = largest ? larger(x[k], y[k]) : smaller(x[k], y[k]);
  }
}

class Extreme final : public Op {
 public:
  Extreme(std::string name, bool largest) : Op(std::move(name)), largest_(largest) {}

  Type infer(const Signature& call) const override {
    const Type& x = call.input(0);
    const auto a = call.attributes.as<ReductionAttributes>();
    for (int axis = 0; axis < x.shape.rank(); ++axis) {
      if ((a.mask >> axis & 1) == 0 || x.shape[axis] != 0) continue;
      throw ShapeError(fmt::format("axis {} of {} has no elements; expected at least one", axis,
                                   to_string(x.shape)));
    }
    return reduced_type(x, a);
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return search<float>(call);
    search<double>(call);
  }
  void derive(Derivation& d) const override {
    const auto a = d.attributes<ReductionAttributes>();
    const Variable x = d.input(0);
    const Shape kept = a.kept(x.shape());
    const Variable y = reshape(d.output(), kept);
    const Variable ties = record(kTies, {x, y}, a.mask);
    d.add(0, where(equal(x, y), reshape(d.cotangent(), kept) / ties, 0.0));
  }
  std::size_t attribute_bytes() const override { return sizeof(ReductionAttributes); }

 private:
  template <class T>
  void search(const KernelCall& call) const {
    const T* const x = call.input(0).as<T>();
    T* const y = call.output.as<T>();
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    std::fill_n(y, call.output.size(), largest_ ? -kInfinity : kInfinity);
    for_each_run(call.input(0).shape(), call.attributes.as<ReductionAttributes>().mask,
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   const auto step = reduced ? extreme_of<T> : extreme_each<T>;
                   step(largest_, x + in, y + out, n);
                 });
  }

  bool largest_;
};

const Extreme kMax{"max", true};
const Extreme kMin{"min", false};

}  // namespace

Variable max(const Operand& x, const Axes& axes, bool keepdim) {
  return record(kMax, {x}, ReductionAttributes{axes_mask(x, axes, "max"), keepdim});
}
Variable min(const Operand& x, const Axes& axes, bool keepdim) {
  return record(kMin, {x}, ReductionAttributes{axes_mask(x, axes, "min"), keepdim});
}

}  // namespace unroll
