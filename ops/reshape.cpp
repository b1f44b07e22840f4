// reshape    y = the elements of x under another shape,   dx += dy under x's shape
#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

class Reshape final : public Op {
 public:
  Reshape() : Op("reshape") {}

  Type infer(const Signature& call) const override {
    const auto shape = call.attributes.as<Shape>();
    if (shape.size() != call.input(0).shape.size()) {
      throw ShapeError(fmt::format("{} has {} elements; {} needs {}",
                                   to_string(call.input(0).shape), call.input(0).shape.size(),
                                   to_string(shape), shape.size()));
    }
    return {call.input(0).dtype, shape};
  }
  std::int64_t alias_offset(const Signature&, const Type&) const override { return 0; }
  void run(const KernelCall&) const override {}
  void derive(Derivation& d) const override {
    d.add(0, reshape(d.cotangent(), d.input(0).shape()));
  }
  std::size_t attribute_bytes() const override { return sizeof(Shape); }
};

const Reshape kReshape;

}  // namespace

Variable reshape(const Operand& x, const Shape& shape) {
  return blame(x.where(), "reshape", [&] {
    if (x.variable() != nullptr && x.shape() == shape) return *x.variable();
    return record(kReshape, {x}, shape);
  });
}

Variable reshape(const Operand& x, std::initializer_list<std::int64_t> extents) {
  const Shape shape = blame(x.where(), "reshape", [&] {
    RecycledVector<std::int64_t> found(extents);
    const auto unknown = std::ranges::find(found, -1);
    if (unknown != found.end()) {
      *unknown = 1;
      const std::int64_t known = Shape(found).size();
      if (known == 0 || x.shape().size() % known != 0) {
        throw ShapeError(fmt::format("-1 stands for no whole number: {} elements over {}",
                                     x.shape().size(), known));
      }
      *unknown = x.shape().size() / known;
    }
    return Shape(found);
  });
  return reshape(x, shape);
}

}  // namespace unroll
