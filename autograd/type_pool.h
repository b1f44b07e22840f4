// TypePool: the types of the values of a tape or a program, which are many, but of few types.
// Internal.
#pragma once

#include <cstddef>
#include <list>

#include <unroll/autograd/op.h>
#include <unroll/autograd/recycled.h>

namespace unroll {

/// Holds each type once or a few times, at an address that stays until it is forgotten. An empty
/// one needs no memory, so a tape may end where there is none.
class TypePool {
 public:
  const Type* hold(const Type& type) {
    int left = 16;  // neighbours have the same few types
    for (const Type& known : types_) {
      if (left-- == 0) break;
      if (known == type) return &known;
    }
    return &types_.emplace_front(type);
  }
  /// Forgets all but the first `size` that came in.
  void shrink(std::size_t size) {
    while (types_.size() > size) types_.pop_front();
  }
  void clear() { types_.clear(); }
  std::size_t size() const { return types_.size(); }

 private:
  std::list<Type, RecyclingAllocator<Type>> types_;  ///< newest first
};

}  // namespace unroll
