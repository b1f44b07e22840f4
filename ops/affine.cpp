// affine    y = x W + b,   dx += dy W^T,   dW += x^T dy,   db += sum of dy over rows
#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/kernels/gemm.h>
#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/matmul.h>
#include <unroll/ops/packed.h>
#include <unroll/ops/permute.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

struct AffineAttributes {
  bool transposed;  ///< W is stored as [o, i]
};

void add_row(float* y, const float* b, std::int64_t n) { simd().add_to(y, b, n); }
void add_row(double* y, const double* b, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) y[j] += b[j];
}

class Affine final : public Op {
 public:
  Affine() : Op("affine", {.accumulates = true}) {}

  Type infer(const Signature& call) const override {
    const bool transposed = call.attributes.as<AffineAttributes>().transposed;
    const Type &x = call.input(0), &w = call.input(1), &b = call.input(2);
    if (x.dtype != w.dtype || x.dtype != b.dtype || !is_floating(x.dtype)) {
      throw DtypeError(fmt::format("x, W and b are {}, {} and {}; expected one floating dtype",
                                   name_of(x.dtype), name_of(w.dtype), name_of(b.dtype)));
    }
    const bool ranks = x.shape.rank() == 2 && w.shape.rank() == 2 && b.shape.rank() == 1;
    if (!ranks || x.shape[1] != w.shape[transposed ? 1 : 0] ||
        b.shape[0] != w.shape[transposed ? 0 : 1]) {
      throw ShapeError(
          fmt::format("x, W and b have shapes {}, {}{} and {}; expected [..., i], "
                      "[i, o] and [o]",
                      to_string(x.shape), to_string(w.shape), transposed ? " transposed" : "",
                      to_string(b.shape)));
    }
    return {x.dtype, Shape{x.shape[0], b.shape[0]}};
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return compute<float>(call);
    compute<double>(call);
  }

  /// The transpose that W was written as is operand 3; see matmul.cpp.
  std::size_t read_count(const Signature&) const override { return 3; }
  Rows row_rule(const Signature&) const override { return Rows::independent; }
  Packing packing(const Signature& call, bool bf16) const override {
    const bool transposed = call.attributes.as<AffineAttributes>().transposed;
    return packing_of(call, {false, transposed}, true, bf16);
  }

  void derive(Derivation& d) const override {
    const bool transposed = d.attributes<AffineAttributes>().transposed;
    const Variable x = d.input(0), w = d.input(1), dy = d.cotangent();
    if (d.wanted(0)) d.add(0, matmul(dy, w, {false, !transposed}));
    if (const GradientTarget to(d, 1, d.input_count() > 3 ? 3 : 1); to.wanted) {
      d.add(to.input,
            transposed && to.stored ? matmul(dy, x, {true, false}) : matmul(x, dy, {true, false}));
    }
    if (d.wanted(2)) d.add(2, sum(dy, 0));
  }

  std::size_t attribute_bytes() const override { return sizeof(AffineAttributes); }

 private:
  template <class T>
  static void compute(const KernelCall& call) {
    const Shape &x = call.input(0).shape(), &y = call.output.shape();
    T* const out = call.output.as<T>();
    const T* const bias = call.input(2).as<T>();
    for (std::int64_t i = 0; i < y[0]; ++i) {
      T* const row = out + i * y[1];
      if (call.accumulate) {
        add_row(row, bias, y[1]);
      } else {
        std::copy_n(bias, y[1], row);
      }
    }
    const GemmShape shape{y[0], y[1], x[1], false,
                          call.attributes.as<AffineAttributes>().transposed};
    gemm(shape, call.input(0).as<T>(), call.input(1).as<T>(), out, true);
  }
};

const Affine kAffine;

/// Rows of any rank times a matrix; `product` takes rows of rank 2.
template <class Product>
Variable over_rows(const Operand& x, const Operand& w, std::string_view name, Product product) {
  const Shape shape = x.shape();
  if (shape.rank() == 2) return product(x);
  if (shape.rank() == 0) throw ShapeError("x is a scalar; expected [..., i]");
  const int last = shape.rank() - 1;
  return all_or_nothing(tape_of(x, w, name), [&] {
    const Variable rows = on_tape(x, w, name);
    const Variable flat = reshape(x.with(rows), Shape{shape.product(0, last), shape[last]});
    const Variable y = product(x.with(flat));
    return reshape(x.with(y), shape.with(last, y.shape()[1]));
  });
}

}  // namespace

Variable affine(const Operand& x, const Operand& w, const Operand& b) {
  return blame(x.where(), "affine", [&] {
    const Factor weight(w);
    return over_rows(x, w, "affine", [&](const Operand& rows) {
      const AffineAttributes attributes{weight.transposed};
      if (weight.transposed) return record(kAffine, {rows, weight.operand, b, w}, attributes);
      return record(kAffine, {rows, weight.operand, b}, attributes);
    });
  });
}

Variable linear(const Operand& x, const Operand& weight, const Operand& bias) {
  return blame(x.where(), "linear", [&] {
    return over_rows(x, weight, "linear", [&](const Operand& rows) {
      return record(kAffine, {rows, weight, bias}, AffineAttributes{true});
    });
  });
}

Variable linear(const Operand& x, const Operand& weight) {
  return blame(x.where(), "linear", [&] {
    if (const Shape shape = weight.shape(); shape.rank() != 2) {
      throw ShapeError(
          fmt::format("x and weight have shapes {} and {}; expected [..., i] and [o, i]",
                      to_string(x.shape()), to_string(shape)));
    }
    return over_rows(x, weight, "linear", [&](const Operand& rows) {
      return matmul(rows, weight, Transposed{false, true});
    });
  });
}

}  // namespace unroll
