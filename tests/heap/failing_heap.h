// A heap that fails: the k-th call of operator new from now on throws std::bad_alloc, and so do
// some after it.
#pragma once

#include <cstdint>

namespace unroll::testing {

/// While it lives, `count` calls of operator new on this thread fail, from the k-th (from 1) on.
class FailingHeap {
 public:
  explicit FailingHeap(std::uint64_t k, int count = 1);
  ~FailingHeap();
  FailingHeap(const FailingHeap&) = delete;
  FailingHeap& operator=(const FailingHeap&) = delete;
  /// Has it failed?
  static bool failed();
};

/// Blocks that operator new gave out and that have not been given back, on all threads.
std::int64_t live_blocks();

}  // namespace unroll::testing
