// Shape: construction with overflow checks, broadcasting.
#include <unroll/autograd/shape.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include <unroll/autograd/error.h>

namespace unroll {

namespace {
// Any product of extents up to here times the largest element size fits in 63 bits.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;
}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank) {
    throw ShapeError(
        fmt::format("Shape: got {} axes; at most {} are supported", extents.size(), kMaxRank));
  }
  std::int64_t nonzero_product = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) {
      throw ShapeError(fmt::format("Shape: extents [{}] hold a negative one; expected >= 0",
                                   fmt::join(extents, ", ")));
    }
    if (extent == 0) continue;
    if (__builtin_mul_overflow(nonzero_product, extent, &nonzero_product) ||
        nonzero_product > kMaxElements) {
      throw ShapeError(
          fmt::format("Shape: [{}] has more than 2^48 elements", fmt::join(extents, ", ")));
    }
  }
  std::copy(extents.begin(), extents.end(), extents_.begin());
  rank_ = std::ssize(extents);
}

std::int64_t Shape::size() const { return product(0, rank()); }

std::int64_t Shape::product(int first, int last) const {
  std::int64_t result = 1;
  for (int axis = first; axis < last; ++axis) result *= (*this)[axis];
  return result;
}

int Shape::normalized_axis(int axis) const {
  const int result = axis < 0 ? axis + rank() : axis;
  if (result < 0 || result >= rank()) {
    throw ShapeError(fmt::format("axis {} does not exist in shape {} of rank {}", axis,
                                 to_string(*this), rank()));
  }
  return result;
}

Shape Shape::with(int axis, std::int64_t extent) const {
  auto extents = extents_;
  extents[static_cast<std::size_t>(axis)] = extent;
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank_)));
}

Shape Shape::without(int axis) const {
  Shape result = *this;
  std::copy(extents_.begin() + axis + 1, extents_.begin() + rank_, result.extents_.begin() + axis);
  --result.rank_;
  result.extents_[static_cast<std::size_t>(result.rank_)] = 0;
  return result;
}

Shape Shape::inserted(int axis, std::int64_t extent) const {
  std::array<std::int64_t, kMaxRank + 1> extents{};
  std::copy(extents_.begin(), extents_.begin() + axis, extents.begin());
  extents[static_cast<std::size_t>(axis)] = extent;
  std::copy(extents_.begin() + axis, extents_.begin() + rank_, extents.begin() + axis + 1);
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank_) + 1));
}

bool Shape::operator==(const Shape& other) const {
  if (rank_ != other.rank_) return false;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank_); ++axis) {
    if (extents_[axis] != other.extents_[axis]) return false;
  }
  return true;
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.extents(), ", "));
}

bool broadcastable(const Shape& a, const Shape& b) {
  for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i) {
    const std::int64_t m = a[a.rank() - i], n = b[b.rank() - i];
    if (m != n && m != 1 && n != 1) return false;
  }
  return true;
}

Shape broadcast(const Shape& a, const Shape& b) {
  if (a == b) return a;
  if (!broadcastable(a, b)) {
    throw ShapeError(fmt::format("shapes {} and {} do not broadcast", to_string(a), to_string(b)));
  }
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  const int offset = longer.rank() - shorter.rank();
  for (int axis = 0; axis < longer.rank(); ++axis) {
    const std::int64_t m = longer[axis];
    const std::int64_t n = axis < offset ? 1 : shorter[axis - offset];
    extents[static_cast<std::size_t>(axis)] = m == 1 ? n : m;
  }
  return Shape(
      std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(longer.rank())));
}

std::array<std::int64_t, Shape::kMaxRank> row_major_strides(const Shape& shape) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return strides;
}

}  // namespace unroll
