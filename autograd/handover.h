// Handover: the order that TBB promises between a parallel loop and its bodies, told to
// ThreadSanitizer, which does not see it because the library is not instrumented. In other builds
// nothing. Internal.
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

/// Made before the loop: what was written until then is seen by every body.
class Handover {
 public:
  Handover() { release(&before_); }
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  /// Lives as long as a body runs.
  class Body {
   public:
    explicit Body(Handover& handover) : handover_(handover) { acquire(&handover_.before_); }
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;
    ~Body() { release(&handover_.after_); }

   private:
    Handover& handover_;
  };
  /// After the loop: what the bodies wrote is seen.
  void finish() { acquire(&after_); }

 private:
#ifdef UNROLL_TSAN
  static void release(char* order) { __tsan_release(order); }
  static void acquire(char* order) { __tsan_acquire(order); }
#else
  static void release(char*) {}
  static void acquire(char*) {}
#endif
  char before_ = 0, after_ = 0;
};

}  // namespace unroll
