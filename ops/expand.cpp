// expand    y = x broadcast to a shape,   dx += dy summed over the broadcast axes
#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/formula.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

class Expand final : public Op {
 public:
  Expand() : Op("expand", {.accumulates = true, .broadcasts = true}) {}

  Type infer(const Signature& call) const override {
    const auto shape = call.attributes.as<Shape>();
    if (!broadcastable(call.input(0).shape, shape) ||
        broadcast(call.input(0).shape, shape) != shape) {
      throw ShapeError(fmt::format("{} does not broadcast to {}", to_string(call.input(0).shape),
                                   to_string(shape)));
    }
    return {call.input(0).dtype, shape};
  }
  void run(const KernelCall& call) const override {
    static const Formula identity = trace([](Expr x) { return x; }, 1);
    run_formula(identity, call.inputs, {}, call.output, call.accumulate);
  }
  void derive(Derivation& d) const override { d.add(0, sum_to(d.cotangent(), d.input(0).shape())); }
  std::size_t attribute_bytes() const override { return sizeof(Shape); }
};

const Expand kExpand;

}  // namespace

Variable expand(const Operand& x, const Shape& shape) {
  return blame(x.where(), "expand", [&] {
    if (x.variable() != nullptr && x.shape() == shape) return *x.variable();
    return record(kExpand, {x}, shape);
  });
}

}  // namespace unroll
