// Bytes as arguments of calls: each argument comes from a small table of usual and unusual values.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <unroll/autograd/tensor.h>
#include <unroll/ops/axes.h>

namespace unroll::fuzz {

class Arguments {
 public:
  /// Only small extents if `small`.
  Arguments(std::span<const unsigned char> bytes, bool small)
      : bytes_(bytes), extents_(small ? 8 : kExtents.size()) {}

  bool empty() const { return bytes_.empty(); }
  /// The next byte; 0 when all are used up.
  std::size_t byte() {
    if (bytes_.empty()) return 0;
    const unsigned char first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  bool flag() { return byte() % 2 == 1; }
  int axis() { return static_cast<int>(byte() % 16) - 8; }
  std::int64_t extent() { return kExtents[byte() % extents_]; }
  double number() { return kNumbers[byte() % kNumbers.size()]; }
  Dtype dtype() { return static_cast<Dtype>(byte() % 4); }
  /// Throws what Shape throws.
  Shape shape() {
    std::vector<std::int64_t> extents(byte() % (Shape::kMaxRank + 2));
    for (std::int64_t& e : extents) e = extent();
    return Shape(std::span<const std::int64_t>(extents));
  }
  Axes axes() {
    switch (byte() % 4) {
      case 0: return {};
      case 1: return axis();
      case 2: return {axis(), axis()};
      default: return {axis(), axis(), axis()};
    }
  }
  std::vector<int> order() {
    std::vector<int> result(byte() % (Shape::kMaxRank + 2));
    for (int& a : result) a = axis();
    return result;
  }

 private:
  static constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  static constexpr std::array<std::int64_t, 15> kExtents = {
      1, 2, 3, 0, 4, 7, 17, -1, -2, 1 << 16, 1LL << 31, 1LL << 32, 1LL << 48, kMost, -kMost - 1};
  static constexpr std::array<double, 12> kNumbers = {0,
                                                      1,
                                                      -1,
                                                      0.5,
                                                      2,
                                                      -0.0,
                                                      1e-30,
                                                      1e30,
                                                      -1e38,
                                                      5e-324,
                                                      std::numeric_limits<double>::infinity(),
                                                      std::numeric_limits<double>::quiet_NaN()};

  std::span<const unsigned char> bytes_;
  std::size_t extents_;
};

}  // namespace unroll::fuzz
