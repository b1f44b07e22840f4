// Random programs over many kinds of ops: what one op leaves behind in memory, another one reads
// through slices, reshapes and broadcasts.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <unroll/ops/dropout.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/autograd/drawn_parts.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>

namespace unroll::testing {

/// Parameters for programs over arrays of `rows` x `columns`.
inline ParameterSet mixed_parameters(std::int64_t rows, std::int64_t columns) {
  ParameterSet parameters(5);
  const Scope scope = parameters.scope();
  scope.parameter("matrix", {rows, columns}, small);
  scope.parameter("row", {columns}, small);
  scope.parameter("flat", {1, columns}, small);
  scope.parameter("column", {rows, 1}, small);
  scope.parameter("scalar", {}, small);
  scope.parameter("block", {2, rows, columns}, small);
  scope.parameter("square", {columns, columns}, small);
  scope.parameter("gates", {3 * columns, columns}, small);
  return parameters;
}

struct MixedOptions {
  bool detached = true;  ///< some values are constant to gradients, which differences are not
  bool parts = false;    ///< draws parts of larger arrays, too (DrawnParts)
};

class MixedProgram {
 public:
  MixedProgram(Tape& tape, const ParameterSet& parameters, std::uint64_t seed, std::uint64_t data,
               const MixedOptions& options = {})
      : random_(seed),
        options_(options),
        square_(parameters.at("square")),
        gates_(parameters.at("gates")) {
    shape_ = parameters.at("matrix").shape();
    for (const Parameter& p : parameters) {
      if (!(p == square_) && !(p == gates_)) pool_.push_back(tape.use(p));
    }
    pool_.push_back(data_input(tape, parameters, shape_, data));
    number_ = 0.5 + 0.1 * static_cast<double>(data);
    if (rows() > 0) ids_ = tape.input(data_ids({rows()}, data, static_cast<std::uint32_t>(rows())));
    if (options.parts) {
      parts_.emplace(random_,
                     DrawnParts::Sources{tape.use(parameters.at("block")), tape.use(square_),
                                         tape.use(gates_), [this] { return matrix(); }});
    }
  }

  MixedProgram(const MixedProgram&) = delete;
  MixedProgram& operator=(const MixedProgram&) = delete;

  Recorded record(int ops) {
    for (int i = 0; i < ops; ++i) {
      pool_.push_back(any_op());
      // Sums and products of sums would grow without this.
      if (i % 5 == 4) pool_.push_back(tanh(pool_.back()));
    }
    Recorded result;
    result.loss = sum(tanh(pool_.back()));
    for (std::size_t i = 0; i < pool_.size(); i += 3) {
      result.loss = result.loss + 0.1 * sum(tanh(pool_[i]));
    }
    // Roots of all kinds: parts, wholes, aliases.
    for (std::size_t i = 1; i < pool_.size(); i += 7) result.values.push_back(pool_[i]);
    if (parts_) {  // also of what the loss reads
      for (std::size_t i = 0; i < pool_.size(); i += 6) result.values.push_back(pool_[i]);
    }
    result.values.push_back(reshape(result.values.back(), {-1}));
    result.values.push_back(result.values.front());
    return result;
  }

 private:
  std::int64_t rows() const { return shape_[0]; }
  std::int64_t columns() const { return shape_[1]; }
  std::int64_t below(std::int64_t bound) {
    return random_.below(static_cast<std::uint32_t>(std::max<std::int64_t>(bound, 1)));
  }
  Variable any() { return pool_[static_cast<std::size_t>(below(std::ssize(pool_)))]; }
  /// Any earlier value as rows x columns.
  Variable matrix() {
    const Variable x = any();
    return x.shape().rank() == 3 ? select(x, 0, below(2)) : expand(x, shape_);
  }
  Variable mask() { return any() * 1.37 < any() + 0.0173; }
  Variable cut_and_joined(const Variable& a, const Variable& b, int axis) {
    const std::int64_t at = below(shape_[axis] + 1);
    return concat({slice(a, axis, 0, at), slice(b, axis, at, shape_[axis])}, axis);
  }

  Variable any_op() {
    if (parts_ && below(3) == 0) return parts_->draw();
    switch (below(34)) {
      case 0: return tanh(any() + any());
      case 1: return any() * sigmoid(any());
      case 2: return 0.5 * (any() - any());
      case 3: return any() + number_;  // its cotangent flows on as it is
      case 4: return clamp(any(), -0.3, 0.4);
      case 5: return clamp(any(), -0.2, 0.9) + leaky_relu(any(), 0.3);
      case 6: return elu(any(), 0.7) * number_;
      case 7: return where(mask(), any(), any());
      case 8: return where(mask(), any() * number_, 0.25);
      case 9: return max(any(), any());
      case 10: return cut_and_joined(tanh(matrix()), sigmoid(matrix()), 1);
      case 11: return cut_and_joined(tanh(matrix()), matrix(), 0);
      case 12: return read_in_pieces(tanh(matrix()));
      case 13: return joined_and_cut(tanh(matrix()), sigmoid(matrix()));
      case 14: return stack({tanh(matrix()), matrix()}, 0);
      case 15: return select(stack({tanh(matrix()), matrix()}, 1), 1, below(2));
      case 16: return reshaped(sigmoid(matrix()));
      case 17: return tanh(matmul(matrix(), square_));
      case 18: return row_by_row(matrix());
      case 19: return gated(matrix());
      case 20: return sum(matrix(), 0) * 0.25;
      case 21: return sum(matrix(), 1, true) * 0.25;
      case 22: return sum(matrix()) * 0.05;
      case 23: return many_uses(matrix());
      case 24: return pad(slice(matrix(), 1, 0, columns() - 1), 1, 1, 0, 0.125);
      case 25: return transpose(reshape(tanh(matrix()), {columns(), rows()}));
      case 26: return dropout(matrix(), 0.25);
      case 27: return (options_.detached ? detach(matrix()) : matrix()) * any();
      case 28: return flip(matrix(), static_cast<int>(below(2)));
      case 29: return cumsum(matrix(), 1) * 0.25;
      case 30: return rows() > 0 ? take_rows(matrix(), ids_) : matrix();
      case 31: return columns() > 0 ? softmax(matrix(), 1) : matrix();
      case 32: return expand(matrix(), {2, rows(), columns()}) * any();
      default: return where(cut_and_joined(mask_matrix(), mask_matrix(), 1), any(), matrix());
    }
  }

  Variable mask_matrix() { return matrix() * 1.37 < any_of_rank_two() + 0.0173; }
  Variable any_of_rank_two() { return matrix(); }

  /// Slices along both axes that only pointwise ops read, and one that others read, too.
  Variable read_in_pieces(const Variable& x) {
    const std::int64_t half = columns() / 2;
    const Variable left = slice(x, 1, 0, half), right = slice(x, 1, columns() - half, columns());
    const Variable product = tanh(left) * right;
    return sum(product, 1, true) + slice(x, 0, 0, std::min<std::int64_t>(rows(), 1)) +
           sum(slice(x, 1, half, columns(), 2), 1, true);
  }
  /// A part of a join that is also read by itself, in part and under another shape.
  Variable joined_and_cut(const Variable& a, const Variable& b) {
    const Variable both = concat({a, b, a * b}, 1);
    const Variable part = slice(a, 1, 0, columns() / 2) * 2.0;
    const Variable middle = slice(both, 1, columns() / 2, columns() / 2 + columns());
    return tanh(middle) + sum(part) * 0.1 + reshape(reshape(a, {-1}) * 0.5, shape_) + b;
  }
  Variable reshaped(const Variable& x) {
    const Variable flat = reshape(x, {-1}), turned = reshape(x, {columns(), rows()});
    return reshape(flat * 2.0, shape_) * reshape(tanh(turned), shape_) + x;
  }
  /// Products of single rows with one matrix.
  Variable row_by_row(const Variable& x) {
    if (rows() == 0) return x;
    Variables results;
    for (std::int64_t i = 0; i < rows(); ++i) {
      results.push_back(tanh(matmul(slice(x, 0, i, i + 1), square_)));
    }
    return concat(results, 0);
  }
  /// A few steps of a gated cell over x.
  Variable gated(const Variable& x) {
    Variable h = tanh(x);
    const Variable wide = concat({x, x, x}, 1);
    for (int t = 0; t < 3; ++t) {
      const auto gates = split(linear(h, gates_) + wide * number_, 3, 1);
      h = sigmoid(gates[0]) * h + sigmoid(gates[1]) * tanh(gates[2]);
    }
    return h;
  }
  Variable many_uses(const Variable& x) {
    const Variable y = tanh(x);
    Variable total = y * y;
    for (int i = 1; i < 6; ++i) total = total + sin(y * (0.3 * i)) * 0.3;
    return (total + matmul(y, square_)) * 0.25;
  }

  Random random_;
  MixedOptions options_;
  Parameter square_, gates_;
  Shape shape_;
  Variables pool_;
  Variable ids_;
  std::optional<DrawnParts> parts_;
  double number_ = 0;
};

}  // namespace unroll::testing
