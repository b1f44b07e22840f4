// matmul    C = A B,   dA += dC B^T,   dB += A^T dC; each operand may be stored transposed
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/kernels/gemm.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/matmul.h>
#include <unroll/ops/permute.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

Shape batch_of(const Shape& shape) {
  return Shape(shape.extents().first(static_cast<std::size_t>(shape.rank() - 2)));
}

/// [m, k] of the last two axes of an operand, as the product sees them.
std::array<std::int64_t, 2> matrix_of(const Shape& shape, bool transposed) {
  const std::int64_t rows = shape[shape.rank() - 2], columns = shape[shape.rank() - 1];
  return transposed ? std::array{columns, rows} : std::array{rows, columns};
}

class MatMul final : public Op {
 public:
  MatMul() : Op("matmul", {.accumulates = true}) {}

  Type infer(const Signature& call) const override {
    const auto t = call.attributes.as<Transposed>();
    const Type &a = call.input(0), &b = call.input(1);
    if (a.dtype != b.dtype || !is_floating(a.dtype)) {
      throw DtypeError(fmt::format("operands are {} and {}; expected one floating dtype",
                                   name_of(a.dtype), name_of(b.dtype)));
    }
    const auto [m, k] = matrix_of(a.shape, t.a);
    const auto [k2, n] = matrix_of(b.shape, t.b);
    if (k != k2) {
      throw ShapeError(fmt::format("inner extents differ: [{}, {}] x [{}, {}]", m, k, k2, n));
    }
    const Shape batch = broadcast(batch_of(a.shape), batch_of(b.shape));
    return {a.dtype, batch.inserted(batch.rank(), m).inserted(batch.rank() + 1, n)};
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return multiply<float>(call);
    multiply<double>(call);
  }

  void derive(Derivation& d) const override {
    const auto t = d.attributes<Transposed>();
    const Variable a = d.input(0), b = d.input(1), dc = d.cotangent();
    if (d.wanted(0)) {
      const Variable da = t.a ? matmul(b, dc, {t.b, true}) : matmul(dc, b, {false, !t.b});
      d.add(0, sum_to(da, a.shape()));
    }
    if (d.wanted(1)) {
      const Variable db = t.b ? matmul(dc, a, {true, t.a}) : matmul(a, dc, {!t.a, false});
      d.add(1, sum_to(db, b.shape()));
    }
  }

  std::size_t attribute_bytes() const override { return sizeof(Transposed); }

 private:
  template <class T>
  static void multiply(const KernelCall& call) {
    const auto t = call.attributes.as<Transposed>();
    const Shape &a = call.input(0).shape(), &b = call.input(1).shape(), &c = call.output.shape();
    const auto [m, k] = matrix_of(a, t.a);
    const std::int64_t n = c[c.rank() - 1];
    const GemmShape shape{m, n, k, t.a, t.b};
    const Shape batch = batch_of(c), batch_a = batch_of(a), batch_b = batch_of(b);
    // Where an operand has extent 1 along a batch axis, the same matrix is used again.
    const auto matrix_index = [&](std::int64_t item, const Shape& own) {
      std::int64_t index = 0, stride = 1;
      for (int axis = batch.rank() - 1; axis >= 0; --axis) {
        const std::int64_t position = item % batch[axis];
        item /= batch[axis];
        const int own_axis = axis - (batch.rank() - own.rank());
        if (own_axis < 0) continue;
        if (own[own_axis] != 1) index += position * stride;
        stride *= own[own_axis];
      }
      return index;
    };
    for (std::int64_t item = 0; item < batch.size(); ++item) {
      gemm(shape, call.input(0).as<T>() + matrix_index(item, batch_a) * m * k,
           call.input(1).as<T>() + matrix_index(item, batch_b) * k * n,
           call.output.as<T>() + item * m * n, call.accumulate);
    }
  }
};

const MatMul kMatMul;

}  // namespace

Variable matmul(const Operand& a, const Operand& b, Transposed transposed) {
  return record(kMatMul, {a, b}, transposed);
}

TapeState& tape_of(const Operand& a, const Operand& b, std::string_view op) {
  return (a.variable() != nullptr ? *a.variable() : on_tape(b, a, op)).state();
}

namespace {

/// A vector becomes a matrix with one row or column, which disappears from the product.
Variable matmul_with_vector(const Operand& a, const Operand& b) {
  const bool is_row = a.shape().rank() == 1, is_column = b.shape().rank() == 1;
  return all_or_nothing(tape_of(a, b, "matmul"), [&] {
    Variable left = on_tape(a, b, "matmul"), right = on_tape(b, a, "matmul");
    if (is_row) left = reshape(a.with(left), left.shape().inserted(0, 1));
    if (is_column) right = reshape(b.with(right), right.shape().inserted(1, 1));
    const Variable y = matmul(a.with(left), b.with(right));
    Shape shape = y.shape();
    if (is_column) shape = shape.without(shape.rank() - 1);
    if (is_row) shape = shape.without(shape.rank() - (is_column ? 1 : 2));
    return reshape(a.with(y), shape);
  });
}

}  // namespace

Variable matmul(const Operand& a, const Operand& b) {
  const Shape shape_a = a.shape(), shape_b = b.shape();
  if (shape_a.rank() == 0 || shape_b.rank() == 0) {
    throw ShapeError(
        fmt::format("{}: matmul: operands have shapes {} and {}; expected at least "
                    "one axis each",
                    to_string(a.where()), to_string(shape_a), to_string(shape_b)));
  }
  if (shape_a.extent(-1) != shape_b.extent(shape_b.rank() == 1 ? 0 : -2)) {
    throw ShapeError(fmt::format("{}: matmul: inner extents differ: {} x {}", to_string(a.where()),
                                 to_string(shape_a), to_string(shape_b)));
  }
  if (shape_a.rank() == 1 || shape_b.rank() == 1) return matmul_with_vector(a, b);
  Transposed transposed;
  Variable plain_a, plain_b;
  if (a.variable() != nullptr) transposed.a = is_transpose_of_last_axes(*a.variable(), plain_a);
  if (b.variable() != nullptr) transposed.b = is_transpose_of_last_axes(*b.variable(), plain_b);
  const Operand left = transposed.a ? a.with(plain_a) : a;
  const Operand right = transposed.b ? b.with(plain_b) : b;
  // One matrix for all items of the batch: one tall product.
  if (shape_b.rank() == 2 && shape_a.rank() > 2 && !transposed.a) {
    const int last = shape_a.rank() - 1;
    const Shape tall{shape_a.product(0, last), shape_a[last]};
    return all_or_nothing(tape_of(left, right, "matmul"), [&] {
      const Variable matrices = on_tape(left, right, "matmul");
      const Variable flat = reshape(a.with(matrices), tall);
      const Variable y = matmul(a.with(flat), right, transposed);
      return reshape(a.with(y), shape_a.with(last, shape_b[1]));
    });
  }
  return matmul(left, right, transposed);
}

Variable dot(const Operand& a, const Operand& b) {
  if (a.shape().rank() != 1 || b.shape().rank() != 1) {
    throw ShapeError(fmt::format("{}: dot: operands have shapes {} and {}; expected vectors",
                                 to_string(a.where()), to_string(a.shape()), to_string(b.shape())));
  }
  return matmul(a, b);
}

Variable outer(const Operand& a, const Operand& b) {
  if (a.shape().rank() != 1 || b.shape().rank() != 1) {
    throw ShapeError(fmt::format("{}: outer: operands have shapes {} and {}; expected vectors",
                                 to_string(a.where()), to_string(a.shape()), to_string(b.shape())));
  }
  const Variable column = reshape(a, {-1, 1});
  return mul(a.with(column), b);
}

}  // namespace unroll
