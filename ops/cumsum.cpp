// cumsum    y[i] = x[0] + ... + x[i] along an axis,   dx[i] += dy[i] + ... + dy[n - 1]
#include <algorithm>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/axis_view.h>
#include <unroll/ops/checks.h>
#include <unroll/ops/reductions.h>

namespace unroll {

namespace {

struct CumsumAttributes {
  int axis;
  int reverse;  ///< sum from the end
};

class Cumsum final : public Op {
 public:
  Cumsum() : Op("cumsum") {}

  Type infer(const Signature& call) const override {
    expect_floating(call.input(0).dtype);
    return call.input(0);
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }
  void derive(Derivation& d) const override;
  std::size_t attribute_bytes() const override { return sizeof(CumsumAttributes); }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    const auto a = call.attributes.as<CumsumAttributes>();
    const AxisView view(call.output.shape(), a.axis);
    const std::int64_t block = view.extent * view.inner;
    if (block == 0) return;
    const std::int64_t start = a.reverse != 0 ? block - view.inner : 0;
    const std::int64_t step = a.reverse != 0 ? -view.inner : view.inner;
    for (std::int64_t i = 0; i < view.outer; ++i) {
      const T* x = call.input(0).as<T>() + i * block + start;
      T* y = call.output.as<T>() + i * block + start;
      if (view.inner == 1) {
        T total{0};  // in a register: reading y back would wait for its store
        for (std::int64_t j = 0; j < view.extent; ++j) y[j * step] = total += x[j * step];
        continue;
      }
      std::copy_n(x, view.inner, y);
      for (std::int64_t j = 1; j < view.extent; ++j) {
        x += step;
        y += step;
        for (std::int64_t k = 0; k < view.inner; ++k) y[k] = y[k - step] + x[k];
      }
    }
  }
};

const Cumsum kCumsum;

void Cumsum::derive(Derivation& d) const {
  auto a = d.attributes<CumsumAttributes>();
  a.reverse = a.reverse == 0;
  d.add(0, record(kCumsum, {d.cotangent()}, a));
}

}  // namespace

Variable cumsum(const Operand& x, int axis) {
  return record(kCumsum, {x}, CumsumAttributes{axis_of(x, axis, "cumsum"), 0});
}

}  // namespace unroll
