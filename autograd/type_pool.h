// TypePool: the types of the values of a tape or a program, which are many, but of few types.
// Internal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>

#include <unroll/autograd/op.h>
#include <unroll/autograd/recycled.h>

namespace unroll {

/// Holds each type once or a few times, at an address that stays until `clear`.
class TypePool {
 public:
  const Type* hold(const Type& type) {
    // Neighbours have the same few types.
    constexpr std::ptrdiff_t kLookedAt = 16;
    const auto end = types_.rbegin() + std::min<std::ptrdiff_t>(std::ssize(types_), kLookedAt);
    const auto found = std::find(types_.rbegin(), end, type);
    return found == end ? &types_.emplace_back(type) : &*found;
  }
  /// Forgets all but the first `size`.
  void shrink(std::size_t size) { types_.resize(size); }
  void clear() { types_.clear(); }
  std::size_t size() const { return types_.size(); }

 private:
  std::deque<Type, RecyclingAllocator<Type>> types_;
};

}  // namespace unroll
