// sum    y = sum of x over axes,   dx += dy, broadcast back
#include <algorithm>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/reduction_kernel.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

void add_run(const float* x, float* y, std::int64_t n, bool reduced) {
  if (reduced) {
    *y += simd().sum(x, n);
  } else {
    simd().add_to(y, x, n);
  }
}
void add_run(const double* x, double* y, std::int64_t n, bool reduced) {
  for (std::int64_t i = 0; i < n; ++i) y[reduced ? 0 : i] += x[i];
}

class Sum final : public Op {
 public:
  Sum() : Op("sum", {.accumulates = true}) {}

  Type infer(const Signature& call) const override {
    return reduced_type(call.input(0), call.attributes.as<ReductionAttributes>());
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }

  Rows row_rule(const Signature& call) const override {
    const bool over_rows = (call.attributes.as<ReductionAttributes>().mask & 1) != 0;
    return over_rows && call.input(0).shape.rank() > 0 ? Rows::summed : Rows::coupled;
  }

  void derive(Derivation& d) const override {
    const Shape shape = d.input(0).shape();
    d.add(0,
          expand(reshape(d.cotangent(), d.attributes<ReductionAttributes>().kept(shape)), shape));
  }

  std::size_t attribute_bytes() const override { return sizeof(ReductionAttributes); }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    T* const y = call.output.as<T>();
    const T* const x = call.input(0).as<T>();
    if (!call.accumulate) std::fill_n(y, call.output.size(), T{0});
    for_each_run(call.input(0).shape(), call.attributes.as<ReductionAttributes>().mask,
                 [&](std::int64_t in, std::int64_t out, std::int64_t n, bool reduced) {
                   add_run(x + in, y + out, n, reduced);
                 });
  }
};

const Sum kSum;

}  // namespace

Variable sum(const Operand& x, const Axes& axes, bool keepdim) {
  return record(kSum, {x}, ReductionAttributes{axes_mask(x, axes, "sum"), keepdim});
}

Variable sum_to(const Operand& x, const Shape& shape) {
  return blame(x.where(), "sum_to", [&] {
    const Shape from = x.shape();
    if (from == shape && x.variable() != nullptr) return *x.variable();
    if (!broadcastable(from, shape) || broadcast(from, shape) != from) {
      throw ShapeError(
          fmt::format("{} does not broadcast to {}", to_string(shape), to_string(from)));
    }
    const int added = from.rank() - shape.rank();
    std::uint32_t mask = 0;
    for (int axis = 0; axis < from.rank(); ++axis) {
      if (axis < added || (shape[axis - added] == 1 && from[axis] != 1)) {
        mask |= std::uint32_t{1} << axis;
      }
    }
    return reshape(record(kSum, {x}, ReductionAttributes{mask, 1}), shape);
  });
}

}  // namespace unroll
