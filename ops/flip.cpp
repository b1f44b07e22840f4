// flip    y = x in reverse along an axis,   dx += dy in reverse
#include <algorithm>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/axis_view.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

class Flip final : public Op {
 public:
  Flip() : Op("flip") {}

  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    const AxisView view(call.input(0).shape(), call.attributes.as<int>());
    const std::int64_t block = view.extent * view.inner;
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const T* x = call.input(0).as<T>();
      T* y = call.output.as<T>();
      for (std::int64_t i = 0; i < view.outer; ++i, x += block, y += block) {
        if (view.inner == 1) {
          std::reverse_copy(x, x + block, y);
          continue;
        }
        for (std::int64_t j = 0; j < view.extent; ++j) {
          std::copy_n(x + (view.extent - 1 - j) * view.inner, view.inner, y + j * view.inner);
        }
      }
    });
  }
  void derive(Derivation& d) const override { d.add(0, flip(d.cotangent(), d.attributes<int>())); }
  std::size_t attribute_bytes() const override { return sizeof(int); }
};

const Flip kFlip;

}  // namespace

Variable flip(const Operand& x, int axis) { return record(kFlip, {x}, axis_of(x, axis, "flip")); }

}  // namespace unroll
