// A heap that fails: the k-th call of operator new from now on throws std::bad_alloc.
#pragma once

#include <cstdint>

namespace unroll::testing {

/// While it lives, the k-th call (from 1) of operator new on this thread fails, once.
class FailingHeap {
 public:
  explicit FailingHeap(std::uint64_t k);
  ~FailingHeap();
  FailingHeap(const FailingHeap&) = delete;
  FailingHeap& operator=(const FailingHeap&) = delete;
  /// Has it failed?
  static bool failed();
};

/// Blocks that operator new gave out and that have not been given back, on all threads.
std::int64_t live_blocks();

}  // namespace unroll::testing
