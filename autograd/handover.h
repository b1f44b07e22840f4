// handed_over: a parallel loop with the order that TBB promises between it and its bodies told to
// ThreadSanitizer, which does not see it because the library is not instrumented. In other builds
// just the loop. Internal.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define UNROLL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNROLL_TSAN 1
#endif
#endif
#ifdef UNROLL_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace unroll {

/// Calls loop(f), which calls f(i) on any threads and returns after the last. f(i) is body(i): it
/// sees what was written before the loop, and after the loop all that the bodies wrote is seen.
template <class Loop, class Body>
void handed_over(const Loop& loop, const Body& body) {
#ifdef UNROLL_TSAN
  char before = 0, after = 0;
  // Not checked itself: it reads where these are before it can say what it sees.
  const auto each = [&](auto i) __attribute__((no_sanitize("thread"))) {
    __tsan_acquire(&before);
    body(i);
    __tsan_release(&after);
  };
  __tsan_release(&before);
  loop(each);
  __tsan_acquire(&after);
#else
  loop(body);
#endif
}

}  // namespace unroll
