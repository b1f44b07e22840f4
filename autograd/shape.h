// Shape: the extents of a tensor, held inline; broadcasting and index arithmetic on it.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace unroll {

/// Extents of a row-major tensor, rank 0 (a scalar) to kMaxRank. Zero extents are allowed.
/// Trivially copyable, so that it can be an op attribute.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  /// Throws ShapeError for a negative extent, too many axes, or an element count over 2^48.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return static_cast<int>(rank_); }
  /// The number of elements (1 for a scalar).
  std::int64_t size() const;
  /// Extent of `axis`, 0 <= axis < rank(); unchecked.
  std::int64_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  /// Extent of `axis`, negative counting from the end; throws ShapeError if there is no such axis.
  std::int64_t extent(int axis) const { return (*this)[normalized_axis(axis)]; }
  /// `axis` with negative values counted from the end; throws ShapeError if out of range.
  int normalized_axis(int axis) const;
  std::span<const std::int64_t> extents() const {
    return {extents_.data(), static_cast<std::size_t>(rank_)};
  }

  /// A copy with the extent of `axis` replaced.
  Shape with(int axis, std::int64_t extent) const;
  /// A copy without `axis`.
  Shape without(int axis) const;
  /// A copy with a new axis of `extent` before position `axis`.
  Shape inserted(int axis, std::int64_t extent) const;
  /// Product of the extents of axes [first, last).
  std::int64_t product(int first, int last) const;

  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  std::int64_t rank_ = 0;  ///< as wide as the extents: no padding, see Attributes
};

/// "[16, 256]"; a scalar is "[]".
std::string to_string(const Shape& shape);

/// True if the two shapes broadcast together by NumPy's rule.
bool broadcastable(const Shape& a, const Shape& b);

/// The common shape of two operands by NumPy's rule; throws ShapeError if there is none.
Shape broadcast(const Shape& a, const Shape& b);

/// Row-major element strides of `shape`, one per axis.
std::array<std::int64_t, Shape::kMaxRank> row_major_strides(const Shape& shape);

}  // namespace unroll
