// argmax    y = position of the largest element along an axis; no gradient
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/axis_view.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/reductions.h>

namespace unroll {

namespace {

struct ArgmaxAttributes {
  int axis;
  int keepdim;
};

/// NaN counts as largest, so that it is found rather than hidden.
template <class T>
bool exceeds(T a, T b) {
  return a > b || (a != a && b == b);
}

std::int32_t first_largest(const float* x, std::int64_t n) {
  const float largest = simd().max(x, n);
  const auto is_it = [&](float v) { return v == largest || (v != v && largest != largest); };
  return static_cast<std::int32_t>(std::find_if(x, x + n, is_it) - x);
}
template <class T>
std::int32_t first_largest(const T* x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t j = 1; j < n; ++j) best = exceeds(x[j], x[best]) ? j : best;
  return static_cast<std::int32_t>(best);
}

class Argmax final : public Op {
 public:
  Argmax() : Op("argmax") {}

  Type infer(const Signature& call) const override {
    const auto a = call.attributes.as<ArgmaxAttributes>();
    const Shape& shape = call.input(0).shape;
    if (shape[a.axis] == 0 || shape[a.axis] > INT32_MAX) {
      throw ShapeError(fmt::format("axis {} of {} has {} elements; expected 1 to 2^31 - 1", a.axis,
                                   to_string(shape), shape[a.axis]));
    }
    return {Dtype::int32, a.keepdim != 0 ? shape.with(a.axis, 1) : shape.without(a.axis)};
  }
  void run(const KernelCall& call) const override {
    const AxisView view(call.input(0).shape(), call.attributes.as<ArgmaxAttributes>().axis);
    const std::int64_t block = view.extent * view.inner;
    with_element(call.input(0).dtype(), [&]<class T>(T*) {
      const T* x = call.input(0).as<T>();
      auto* y = call.output.as<std::int32_t>();
      for (std::int64_t i = 0; i < view.outer; ++i, x += block, y += view.inner) {
        if (view.inner == 1) {
          *y = first_largest(x, view.extent);
          continue;
        }
        std::fill_n(y, view.inner, 0);
        for (std::int64_t j = 1; j < view.extent; ++j) {
          for (std::int64_t k = 0; k < view.inner; ++k) {
            if (exceeds(x[j * view.inner + k], x[y[k] * view.inner + k])) {
              y[k] = static_cast<std::int32_t>(j);
            }
          }
        }
      }
    });
  }
  std::size_t attribute_bytes() const override { return sizeof(ArgmaxAttributes); }
};

const Argmax kArgmax;

}  // namespace

Variable argmax(const Operand& x, int axis, bool keepdim) {
  return record(kArgmax, {x}, ArgmaxAttributes{axis_of(x, axis, "argmax"), keepdim});
}

}  // namespace unroll
