// Jobs that are done again and again while the heap fails, each time a little later.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <unroll/autograd/error.h>
#include <unroll/tests/heap/failing_heap.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

namespace unroll::testing {

/// Something to do, and all that it may change as text.
struct Job {
  std::function<void()> run;
  std::function<std::string()> state;
};

#if defined(__SANITIZE_ADDRESS__)
constexpr int kStride = 9;  // a sanitizer makes allocations slow
#else
constexpr int kStride = 1;
#endif

/// Makes the job anew for every k until it runs through, with `run` allocations failing from the
/// k-th on, and then for k + stride. Returns how many it makes.
inline int fail_from_every_allocation(const std::function<Job()>& make, int run, int stride) {
  Job right = make();
  const std::string before = right.state();
  right.run();
  const std::string after = right.state();
  std::int64_t live_at_first = 0;
  int tries = 0;
  for (int k = 1;; k += stride * kStride) {
    const Job job = make();
    std::optional<OutOfMemory> thrown;
    {
      const FailingHeap heap(static_cast<std::uint64_t>(k), run);
      try {
        job.run();
      } catch (const OutOfMemory& error) {
        thrown = error;
      }
    }
    INFO("allocation " << k << " to " << k + run - 1 << ": " << (thrown ? thrown->what() : "-"));
    if (!FailingHeap::failed()) {
      CHECK(job.state() == after);
      return k - 1;
    }
    if (thrown) {
      CHECK(job.state() == before);
      job.run();
    }
    CHECK(job.state() == after);
    if (++tries == 20) live_at_first = live_blocks();
    // Free blocks that wait to be used again come and go; a leak per k would add up.
    if (tries % 100 == 0) CHECK(live_blocks() < live_at_first + 200);
  }
}

/// With one failing, and with several: memory that only waited is given up after the first.
inline int fail_every_allocation(const std::function<Job()>& make) {
  fail_from_every_allocation(make, 4, cases(5, 1));
  return fail_from_every_allocation(make, 1, 1);
}

}  // namespace unroll::testing
