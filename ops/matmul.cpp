// matmul    C = A B,   dA += dC B^T,   dB += A^T dC; each operand may be stored transposed
//
// Where an operand is a transpose, the kernel reads what was transposed, and the transpose itself
// is one more operand, which is not read: it may be what a gradient is asked for, and it may cut
// the gradient.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/recorded.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/kernels/gemm.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/matmul.h>
#include <unroll/ops/packed.h>
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

/// y = x^T, of a matrix of floats
class Turn final : public Op {
 public:
  Turn() : Op("matmul.turn", {.internal = true}) {}

  Type infer(const Signature&) const override {
    throw StateError("a turned product is made by a pass; expected matmul");
  }
  void run(const KernelCall& call) const override {
    const Shape& x = call.input(0).shape();
    transpose_matrix(call.input(0).as<float>(), x[0], x[1], call.output.as<float>());
  }
};

const Turn kTurn;

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

  std::size_t read_count(const Signature&) const override { return 2; }

  Rows row_rule(const Signature& call) const override {
    const auto t = call.attributes.as<Transposed>();
    if (call.input(0).shape.rank() != 2 || call.input(1).shape.rank() != 2) return Rows::coupled;
    if (!t.a) return Rows::independent;
    return t.b ? Rows::coupled : Rows::summed;
  }
  /// a^T b of a wide b: (b^T a)^T lays out the narrow factor instead of the wide one.
  const Op* turned(const Signature& call) const override {
    constexpr std::int64_t kLeastWidth = 64, kVector = 16;
    const auto t = call.attributes.as<Transposed>();
    const Type &a = call.input(0), &b = call.input(1);
    if (a.dtype != Dtype::float32 || a.shape.rank() != 2 || b.shape.rank() != 2) return nullptr;
    const std::int64_t m = a.shape[1], n = b.shape[1];
    const bool pays = t.a && !t.b && call.inputs.size() == 2 && m >= kLeastWidth && n >= 2 * m &&
                      n % kVector == 0;
    return pays ? &kTurn : nullptr;
  }
  Packing packing(const Signature& call, bool bf16) const override {
    return packing_of(call, call.attributes.as<Transposed>(), false, bf16);
  }

  void derive(Derivation& d) const override {
    const auto t = d.attributes<Transposed>();
    const Variable a = d.input(0), b = d.input(1), dc = d.cotangent();
    const bool linked = d.input_count() > 2;
    const std::size_t link_a = linked && t.a ? 2 : 0;
    const std::size_t link_b = linked && t.b ? (t.a ? 3 : 2) : 1;
    if (const GradientTarget to(d, 0, link_a); to.wanted) {
      const Variable da =
          t.a && to.stored ? matmul(b, dc, {t.b, true}) : matmul(dc, b, {false, !t.b});
      d.add(to.input, sum_to(da, d.input(to.input).shape()));
    }
    if (const GradientTarget to(d, 1, link_b); to.wanted) {
      const Variable db =
          t.b && to.stored ? matmul(dc, a, {true, t.a}) : matmul(a, dc, {!t.a, false});
      d.add(to.input, sum_to(db, d.input(to.input).shape()));
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

GradientTarget::GradientTarget(const Derivation& d, std::size_t stored_input, std::size_t link)
    : wanted(d.wanted(link)), stored(link == stored_input), input(link) {
  // Straight to the stored operand, unless somebody asks for the transpose's own gradient.
  if (!stored && d.wanted(stored_input) && !d.asked_for(link)) {
    stored = true;
    input = stored_input;
  }
}

Factor::Factor(const Operand& x) : operand(x) {
  transposed = x.variable() != nullptr && is_transpose_of_last_axes(*x.variable(), source_);
  if (transposed) operand = x.with(source_);
}

TapeState& tape_of(const Operand& a, const Operand& b, std::string_view op) {
  const Variable *x = a.variable(), *y = b.variable();
  if (x != nullptr && y != nullptr && x->shared_state() != y->shared_state()) {
    blame(a.where(), op, [] { detail::refuse_two_tapes(); });
  }
  return (x != nullptr ? *x : on_tape(b, a, op)).state();
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

Variable product_of(const Operand& a, const Operand& b) {
  const Shape shape_a = a.shape(), shape_b = b.shape();
  if (shape_a.rank() == 0 || shape_b.rank() == 0) {
    throw ShapeError(fmt::format("operands have shapes {} and {}; expected at least one axis each",
                                 to_string(shape_a), to_string(shape_b)));
  }
  if (shape_a.extent(-1) != shape_b.extent(shape_b.rank() == 1 ? 0 : -2)) {
    throw ShapeError(
        fmt::format("inner extents differ: {} x {}", to_string(shape_a), to_string(shape_b)));
  }
  if (shape_a.rank() == 1 || shape_b.rank() == 1) return matmul_with_vector(a, b);
  const Factor left(a), right(b);
  const Transposed transposed{left.transposed, right.transposed};
  const auto product = [&](const Operand& x) {
    const std::array<Operand, 4> operands{x, right.operand, left.transposed ? a : b, b};
    const std::size_t count = 2 + std::size_t{left.transposed} + std::size_t{right.transposed};
    return record(kMatMul, std::span(operands).first(count), transposed);
  };
  // One matrix for all items of the batch: one tall product.
  if (shape_b.rank() == 2 && shape_a.rank() > 2 && !left.transposed) {
    const int last = shape_a.rank() - 1;
    const Shape tall{shape_a.product(0, last), shape_a[last]};
    return all_or_nothing(tape_of(a, b, "matmul"), [&] {
      const Variable matrices = on_tape(a, b, "matmul");
      const Variable flat = reshape(a.with(matrices), tall);
      const Variable y = product(a.with(flat));
      return reshape(a.with(y), shape_a.with(last, shape_b[1]));
    });
  }
  return product(left.operand);
}

void expect_vectors(const Operand& a, const Operand& b) {
  if (a.shape().rank() == 1 && b.shape().rank() == 1) return;
  throw ShapeError(fmt::format("operands have shapes {} and {}; expected vectors",
                               to_string(a.shape()), to_string(b.shape())));
}

}  // namespace

Variable matmul(const Operand& a, const Operand& b) {
  return blame(a.where(), "matmul", [&] { return product_of(a, b); });
}

Variable dot(const Operand& a, const Operand& b) {
  return blame(a.where(), "dot", [&] {
    expect_vectors(a, b);
    return product_of(a, b);
  });
}

Variable outer(const Operand& a, const Operand& b) {
  return blame(a.where(), "outer", [&] {
    expect_vectors(a, b);
    return all_or_nothing(tape_of(a, b, "outer"), [&] {
      const Variable left = on_tape(a, b, "outer");
      const Variable column = reshape(a.with(left), {-1, 1});
      return mul(a.with(column), b);
    });
  });
}

}  // namespace unroll
