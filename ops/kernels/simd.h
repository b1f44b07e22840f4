// The float kernels that come in one version per vector unit, as tables of functions. The same
// source, simd_kernels.cpp, is compiled once per instruction set; `simd()` picks one at run time.
// Plain pointers only: nothing here may instantiate library code under wider instruction flags.
#pragma once

#include <cstdint>

namespace unroll {

/// out[i] = primitive(a[i], b[i], c[i]), i < n; unused operands are null. `out` may equal an
/// operand. The result for an element depends on its operands only, not on n or its position.
using TileFunction = void (*)(const float* a, const float* b, const float* c, float* out,
                              std::int64_t n);

struct SimdKernels {
  TileFunction primitives[32];  ///< by Code

  /// out[i] += x[i]
  void (*add_to)(float* out, const float* x, std::int64_t n);
  /// Sum of n elements, in an order that depends on n only.
  float (*sum)(const float* x, std::int64_t n);
  /// Sum of a[i] * b[i].
  float (*dot)(const float* a, const float* b, std::int64_t n);
  /// The largest element (NaN if there is one), -inf if n is 0.
  float (*max)(const float* x, std::int64_t n);
  /// out[i] = exp(x[i] - shift); returns their sum. `out` may be null: only the sum.
  float (*exp_shifted)(const float* x, float shift, float* out, std::int64_t n);
  /// out[i] = x[i] * scale + shift
  void (*scale_shift)(const float* x, float scale, float shift, float* out, std::int64_t n);
  /// out[i] += x[i] * scale
  void (*add_scaled)(float* out, const float* x, float scale, std::int64_t n);
  const char* name;  ///< "avx512", "avx2" or "baseline"
};

/// The kernels for this CPU.
const SimdKernels& simd();

}  // namespace unroll
