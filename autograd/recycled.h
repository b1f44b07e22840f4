// RecycledMemory: a program that trains asks for the same memory in every step, for gradients and
// for lists of variables. What one step gives back is there for the next.
#pragma once

#include <cstddef>
#include <vector>

namespace unroll {

/// Memory in place of that of the heap, for all threads. What is given back is kept to be taken
/// again: with what is in use, never more than was in use of late, and 64 MiB. "Of late" ends, at
/// the latest, when eight times that much has been taken since.
class RecycledMemory {
 public:
  /// At least `bytes`, in whole cache lines. Throws OutOfMemory.
  static void* take(std::size_t bytes);
  /// Gives back what `take(bytes)` returned.
  static void give_back(void* memory, std::size_t bytes) noexcept;
  /// Gives all that waits back to the heap.
  static void release();
  /// The bytes that wait to be taken.
  static std::size_t idle_bytes();
};

/// The same for standard containers.
template <class T>
struct RecyclingAllocator {
  using value_type = T;
  RecyclingAllocator() = default;
  template <class U>
  RecyclingAllocator(const RecyclingAllocator<U>&) noexcept {}  // NOLINT(google-explicit-*)
  // T may well be a pointer.
  T* allocate(std::size_t n) {
    return static_cast<T*>(RecycledMemory::take(n * sizeof(T)));  // NOLINT(bugprone-sizeof-*)
  }
  void deallocate(T* p, std::size_t n) noexcept {
    RecycledMemory::give_back(p, n * sizeof(T));  // NOLINT(bugprone-sizeof-*)
  }
  friend bool operator==(const RecyclingAllocator&, const RecyclingAllocator&) { return true; }
};

/// For a list that is made anew in every step.
template <class T>
using RecycledVector = std::vector<T, RecyclingAllocator<T>>;

}  // namespace unroll
