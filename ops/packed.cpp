// pack              w [k, n], or its transpose [n, k], in the order the product's kernel reads it
// matmul.packed     y = a w            with w packed
// affine.packed     y = a w + b        with w packed
#include <unroll/ops/packed.h>

#include <unroll/autograd/error.h>
#include <unroll/ops/kernels/gemm.h>

namespace unroll {

namespace {

class Pack final : public Op {
 public:
  Pack() : Op("pack", {.internal = true}) {}

  Type infer(const Signature& call) const override {
    const auto [k, n] = extents(call.input(0).shape, call.attributes.as<bool>());
    return {Dtype::float32,
            Shape{static_cast<std::int64_t>(packed_size(k, n) / sizeof(float))}};
  }
  void run(const KernelCall& call) const override {
    const bool transposed = call.attributes.as<bool>();
    const auto [k, n] = extents(call.input(0).shape(), transposed);
    pack(call.input(0).as<float>(), k, n, transposed, call.output.data);
  }
  std::size_t attribute_bytes() const override { return sizeof(bool); }

 private:
  struct Extents {
    std::int64_t k, n;
  };
  static Extents extents(const Shape& w, bool transposed) {
    return transposed ? Extents{w[1], w[0]} : Extents{w[0], w[1]};
  }
};

/// Only ever made from a checked product, whose attributes it keeps without reading them.
class PackedProduct final : public Op {
 public:
  PackedProduct(std::string name, bool with_bias)
      : Op(std::move(name), {.accumulates = true, .internal = true}), with_bias_(with_bias) {}

  Type infer(const Signature&) const override {
    throw StateError("a packed product is made by a pass; expected matmul or affine");
  }
  void run(const KernelCall& call) const override {
    const Shape &a = call.input(0).shape(), &y = call.output.shape();
    gemm_packed(y[0], y[1], a[1], call.input(0).as<float>(), a[1], call.input(1).data,
                with_bias_ ? call.input(2).as<float>() : nullptr, call.output.as<float>(), y[1],
                call.accumulate);
  }

 private:
  bool with_bias_;
};

const Pack kPack;
const PackedProduct kMatMul{"matmul.packed", false}, kAffine{"affine.packed", true};

}  // namespace

Packing packing_of(const Signature& call, bool transposed, bool with_bias) {
  const Type &a = call.input(0), &w = call.input(1);
  if (a.dtype != Dtype::float32 || a.shape.rank() != 2 || w.shape.rank() != 2) return {};
  return {&kPack, with_bias ? &kAffine : &kMatMul, 1, transposed};
}

}  // namespace unroll
