// Random parts of arrays for random programs: parts that overlap, parts of parts, of transposed and
// permuted arrays, joined again in any order. What shares memory with what, is what passes get
// wrong.
#pragma once

#include <algorithm>
#include <functional>

#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll::testing {

class DrawnParts {
 public:
  /// What parts are taken of: a parameter [2, rows, columns], others [columns, columns] and
  /// [3 columns, columns], and any matrices [rows, columns].
  struct Sources {
    Variable block, square, gates;
    std::function<Variable()> matrix;
  };

  DrawnParts(Random& random, Sources sources)
      : random_(random),
        from_(std::move(sources)),
        rows_(from_.block.shape()[1]),
        columns_(from_.block.shape()[2]) {}

  /// [rows, columns]
  Variable draw() {
    switch (below(15)) {
      case 0: return overlapping(wide(), 1, columns_);
      case 1: return overlapping(tanh(wide()), 1, columns_);
      case 2: return overlapping(tanh(tall()), 0, rows_);
      case 3: return transpose(overlapping(transpose(wide()), 0, columns_));
      case 4: return transpose(overlapping(tanh(transpose(tall())), 1, rows_));
      case 5: return flat_parts();
      case 6: return tanh(flat_parts());
      case 7: return joined_again(whole());
      case 8: return joined_again(tanh(whole()) * 2.0);
      case 9: return tanh(matmul(part(wide(), 1, columns_), square_part()));
      case 10: return side_by_side(wide());
      case 11: return in_steps(wide());
      case 12: return framed(wide() * 1.5, 1, columns_);
      case 13: return framed(tall() * 1.5, 0, rows_);
      default: return joined_again(square_part() * sigmoid(square_part()));
    }
  }

 private:
  std::int64_t below(std::int64_t bound) {
    return random_.below(static_cast<std::uint32_t>(std::max<std::int64_t>(bound, 1)));
  }
  Variable matrix() { return from_.matrix(); }

  /// `count` elements along `axis` from a random one on: a slice, or a slice of a slice.
  Variable part(const Variable& x, int axis, std::int64_t count) {
    const std::int64_t extent = x.shape()[axis], begin = below(extent - count + 1);
    if (below(2) == 0) return slice(x, axis, begin, begin + count);
    const std::int64_t first = below(begin + 1);
    const std::int64_t last = begin + count + below(extent - begin - count + 1);
    return slice(slice(x, axis, first, last), axis, begin - first, begin - first + count);
  }

  /// [rows, two or three times the columns]
  Variable wide() {
    const std::int64_t twice = 2 * columns_;
    switch (below(6)) {
      case 0: return linear(matrix(), from_.gates);
      case 1: return concat({matrix(), tanh(matrix()), matrix()}, 1);
      case 2: return reshape(permute(from_.block, {1, 0, 2}), {rows_, twice});
      case 3: return reshape(permute(from_.block * matrix(), {1, 2, 0}), {rows_, twice});
      case 4: return transpose(concat({transpose(matrix()), transpose(tanh(matrix()))}, 0));
      default: return reshape(from_.block, {rows_, twice});
    }
  }
  /// [two or three times the rows, columns]
  Variable tall() {
    switch (below(4)) {
      case 0: return reshape(from_.block, {2 * rows_, columns_});
      case 1: return concat({matrix(), sigmoid(matrix()), matrix()}, 0);
      case 2: return matmul(concat({matrix(), matrix()}, 0), from_.square);
      default: return transpose(concat({transpose(matrix()), transpose(matrix())}, 1));
    }
  }
  /// A parameter, as it is or with its axes in another order.
  Variable whole() {
    switch (below(5)) {
      case 0: return from_.block;
      case 1: return from_.gates;
      case 2: return from_.square;
      case 3: return transpose(from_.gates);
      default: return permute(from_.block, {2, 0, 1});
    }
  }
  /// [columns, columns] of a parameter.
  Variable square_part() {
    switch (below(4)) {
      case 0: return part(from_.gates, 0, columns_);
      case 1: return transpose(part(from_.gates, 0, columns_));
      case 2: return part(transpose(from_.gates), 1, columns_);
      default: return part(concat({from_.square, transpose(from_.square)}, 1), 1, columns_);
    }
  }

  /// Parts that share elements, each read by a reader of its own.
  Variable overlapping(const Variable& x, int axis, std::int64_t count) {
    Variable y = tanh(part(x, axis, count)) * part(x, axis, count);
    for (std::int64_t i = below(3); i > 0; --i) y = sin(y) + part(x, axis, count);
    return below(3) == 0 ? y + 0.1 * sum(x) : y;
  }

  /// [rows, columns] of pieces of flat arrays, the first of an odd length.
  Variable flat_parts() {
    const std::int64_t size = rows_ * columns_;
    Variables pieces;
    std::int64_t left = size;
    while (left > 0) {
      const std::int64_t want = pieces.empty() ? 2 * below(left / 2 + 1) + 1 : 1 + below(left);
      const std::int64_t count = std::min(want, left);
      const Variable flat = reshape(below(2) == 0 ? whole() : tanh(matrix()), {-1});
      const std::int64_t most = std::min(count, flat.shape()[0]);
      pieces.push_back(part(flat, 0, most));
      if (below(3) == 0) pieces.back() = tanh(pieces.back());
      left -= most;
    }
    if (pieces.empty()) return matrix();
    return reshape(concat(pieces, 0), {rows_, columns_});
  }

  /// [rows, columns] of an array that is cut along an axis and joined again, in order or not.
  Variable joined_again(const Variable& x) {
    const int axis = static_cast<int>(below(x.shape().rank()));
    const std::int64_t extent = x.shape()[axis], at = below(extent + 1);
    const std::int64_t next = at + below(extent - at + 1);
    const Variable a = slice(x, axis, 0, at), b = slice(x, axis, at, next);
    const Variable c = slice(x, axis, next, extent);
    Variable joined;
    switch (below(4)) {
      case 0: joined = concat({a, b, c}, axis); break;
      case 1: joined = concat({c, a, b}, axis); break;
      case 2: joined = concat({a, tanh(b), c}, axis); break;
      default: joined = concat({concat({a, b}, axis), c}, axis); break;
    }
    const Variable flat = reshape(joined, {-1});
    const std::int64_t size = rows_ * columns_, found = flat.shape()[0];
    if (found >= size) return reshape(part(flat, 0, size), {rows_, columns_});
    return matrix() + sum(square(flat)) * 0.1;
  }

  /// The two halves of x, or its thirds, exchanged and written next to each other.
  Variable side_by_side(const Variable& x) {
    const std::int64_t extent = x.shape()[1], at = below(extent + 1);
    const Variable turned = concat({slice(x, 1, at, extent), slice(x, 1, 0, at)}, 1);
    return part(below(2) == 0 ? turned : tanh(turned), 1, columns_) * part(x, 1, columns_);
  }

  /// Parts of a matrix that lies within a larger array, behind a head of any length, and an array
  /// of the same form made of functions of these parts.
  Variable framed(const Variable& x, int axis, std::int64_t count) {
    const std::int64_t extent = x.shape()[axis], at = below(extent + 1);
    const Variable flat = reshape(from_.square, {-1});
    const Variable head =
        part(flat, 0, below(std::min<std::int64_t>(flat.shape()[0] + 1, 8))) * 2.0;
    const Variable before = sum(concat({head, reshape(x, {-1})}, 0));
    const Variable a = tanh(slice(x, axis, 0, at)), b = tanh(slice(x, axis, at, extent));
    const Variable joined = concat({tanh(head) * 1.5, reshape(concat({a, b}, axis), {-1})}, 0);
    Variable result = matrix() + 0.05 * before + 0.05 * sum(joined);
    if (below(3) == 0) result = result * part(x, axis, count);
    if (below(3) == 0) result = result + tanh(part(x, axis, count) * 2.0) * part(x, axis, count);
    const Variable late = part(x, axis, 1 + below(count));
    return result + 0.1 * sum(sin(late * 3.0));
  }

  /// Every other column, and steps that each read their columns and those of the one before.
  Variable in_steps(const Variable& x) {
    const std::int64_t extent = x.shape()[1];
    Variable h = tanh(part(x, 1, columns_));
    for (std::int64_t begin = below(columns_ + 1); begin + columns_ <= extent;
         begin += 1 + below(columns_)) {
      h = tanh(h + slice(x, 1, begin, begin + columns_));
    }
    return h + 0.1 * sum(slice(x, 1, below(2), extent, 2), 1, true);
  }

  Random& random_;
  Sources from_;
  std::int64_t rows_, columns_;
};

}  // namespace unroll::testing
