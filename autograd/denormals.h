// FlushDenormals: within its scope this thread's float arithmetic treats denormals as zero.
// Vanishing gradients are denormal after enough steps, and denormal operands slow x86 arithmetic
// by an order of magnitude.
#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace unroll {

class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero); }
  ~FlushDenormals() { _mm_setcsr(saved_); }
#else
  FlushDenormals() = default;
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE__)
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  unsigned saved_;
#endif
};

}  // namespace unroll
