// Block: a range of elements of one parameter with its moments and its gradient, dense or by rows.
// What an update formula works on.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace unroll::optim {

/// Elements [begin, end) of a parameter. The pointers are to element 0 of whole tensors that do not
/// overlap.
template <std::floating_point T>
struct Block {
  static constexpr std::size_t kMaxMoments = 3;

  T* value = nullptr;
  std::array<T*, kMaxMoments> moments{};  ///< in the order in which the optimiser named them
  const T* dense = nullptr;               ///< the gradient; null if it is sparse:
  std::span<const std::int32_t> ids;      ///< the rows that have a gradient, strictly ascending
  const T* rows = nullptr;                ///< their gradients, [ids.size(), width]
  std::size_t width = 1;                  ///< elements per row of the parameter
  std::int64_t step = 1;                  ///< 1 at the first update of this parameter
  std::size_t index = 0;                  ///< of the parameter, in the optimiser's list
  std::size_t begin = 0;
  std::size_t end = 0;

  /// Cuts the block into runs with contiguous gradients and calls f(first, gradient, count) for
  /// each, in order: elements [first, first + count) have gradient[0 .. count). Elements without a
  /// gradient get runs of zeros if `gaps`, otherwise none.
  template <class F>
  void for_each_run(bool gaps, F f) const;
};

template <std::floating_point T>
template <class F>
void Block<T>::for_each_run(bool gaps, F f) const {
  if (dense) {
    f(begin, dense + begin, end - begin);
    return;
  }
  static constexpr std::array<T, 1024> kZeros{};
  std::size_t at = begin;
  auto row = std::ranges::lower_bound(ids, static_cast<std::int64_t>(begin / width));
  while (at < end) {
    const std::size_t next =
        row == ids.end() ? end : std::min(end, static_cast<std::size_t>(*row) * width);
    for (; gaps && at < next; at += std::min(next - at, kZeros.size())) {
      f(at, kZeros.data(), std::min(next - at, kZeros.size()));
    }
    at = std::max(at, next);
    if (at == end) return;
    const std::size_t k = static_cast<std::size_t>(row - ids.begin());
    const std::size_t column = at - static_cast<std::size_t>(*row) * width;
    const std::size_t count = std::min(end - at, width - column);
    f(at, rows + k * width + column, count);
    at += count;
    ++row;
  }
}

}  // namespace unroll::optim
