// pack              w [k, n], or its transpose [n, k], in the order the product's kernel reads it
// matmul.packed     y = a w            with w packed
// affine.packed     y = a w + b        with w packed
// pack.bf16, matmul.bf16, affine.bf16: the same with a and w rounded to bfloat16
// matmul.bf16.transposed: y = a^T w
#include <unroll/ops/packed.h>

#include <unroll/autograd/error.h>
#include <unroll/ops/kernels/gemm.h>

namespace unroll {

namespace {

class Pack final : public Op {
 public:
  Pack(std::string name, bool bf16) : Op(std::move(name), {.internal = true}), bf16_(bf16) {}

  Type infer(const Signature& call) const override {
    const auto [k, n] = extents(call.input(0).shape, call.attributes.as<bool>());
    const std::size_t bytes = bf16_ ? packed_size_bf16(k, n) : packed_size(k, n);
    return {Dtype::float32, Shape{static_cast<std::int64_t>(bytes / sizeof(float))}};
  }
  void run(const KernelCall& call) const override {
    const bool transposed = call.attributes.as<bool>();
    const auto [k, n] = extents(call.input(0).shape(), transposed);
    const auto pack_matrix = bf16_ ? pack_bf16 : pack;
    pack_matrix(call.input(0).as<float>(), k, n, transposed, call.output.data);
  }
  std::size_t attribute_bytes() const override { return sizeof(bool); }

 private:
  struct Extents {
    std::int64_t k, n;
  };
  static Extents extents(const Shape& w, bool transposed) {
    return transposed ? Extents{w[1], w[0]} : Extents{w[0], w[1]};
  }

  bool bf16_;
};

struct ProductForm {
  bool with_bias = false, bf16 = false, transposed_a = false;
};

/// Only ever made from a checked product, whose attributes it keeps without reading them.
class PackedProduct final : public Op {
 public:
  PackedProduct(std::string name, const ProductForm& form)
      : Op(std::move(name), {.accumulates = true, .internal = true}), form_(form) {}

  Type infer(const Signature&) const override {
    throw StateError("a packed product is made by a pass; expected matmul or affine");
  }
  void run(const KernelCall& call) const override {
    const Shape &a = call.input(0).shape(), &y = call.output.shape();
    const float* const left = call.input(0).as<float>();
    const float* const bias = form_.with_bias ? call.input(2).as<float>() : nullptr;
    float* const out = call.output.as<float>();
    const void* const packed = call.input(1).data;
    if (form_.bf16) {
      gemm_packed_bf16(y[0], y[1], a[form_.transposed_a ? 0 : 1], left, a[1], form_.transposed_a,
                       packed, bias, out, y[1], call.accumulate);
    } else {
      gemm_packed(y[0], y[1], a[1], left, a[1], packed, bias, out, y[1], call.accumulate);
    }
  }

 private:
  ProductForm form_;
};

const Pack kPack{"pack", false}, kPackBf16{"pack.bf16", true};
const PackedProduct kMatMul{"matmul.packed", {}}, kAffine{"affine.packed", {.with_bias = true}};
const PackedProduct kMatMulBf16{"matmul.bf16", {.bf16 = true}};
const PackedProduct kAffineBf16{"affine.bf16", {.with_bias = true, .bf16 = true}};
const PackedProduct kTransposedBf16{"matmul.bf16.transposed", {.bf16 = true, .transposed_a = true}};

}  // namespace

Packing packing_of(const Signature& call, Transposed transposed, bool with_bias, bool bf16) {
  const Type &a = call.input(0), &w = call.input(1);
  if (a.dtype != Dtype::float32 || a.shape.rank() != 2 || w.shape.rank() != 2) return {};
  if (bf16) {
    const PackedProduct& product = with_bias      ? kAffineBf16
                                   : transposed.a ? kTransposedBf16
                                                  : kMatMulBf16;
    return {&kPackBf16, &product, 1, transposed.b};
  }
  if (transposed.a) return {};
  return {&kPack, with_bias ? &kAffine : &kMatMul, 1, transposed.b};
}

}  // namespace unroll
