// Floats to pairs of bfloat16, for products that add two at a time. Compiled for AVX512_BF16 only,
// with a copy of simd_gemm.cpp that multiplies such pairs.
#include <immintrin.h>

#include <unroll/ops/kernels/simd.h>

namespace unroll::UNROLL_ISA {

GemmKernels gemm_kernels();  // simd_gemm.cpp
Bf16Kernels bf16_kernels();

namespace {

using Index = std::int64_t;

/// The first `count` of 16 lanes; all if there are more, none below 1.
__mmask16 first_lanes(Index count) {
  if (count >= 16) return 0xFFFF;
  return count > 0 ? static_cast<__mmask16>((1u << count) - 1) : __mmask16{0};
}

void pair_row(const float* x, Index k, float* out) {
  for (Index p = 0; p < k; p += 32) {
    const __m512 low = _mm512_maskz_loadu_ps(first_lanes(k - p), x + p);
    const __m512 high = _mm512_maskz_loadu_ps(first_lanes(k - p - 16), x + p + 16);
    const __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    _mm512_mask_storeu_epi32(out + p / 2, first_lanes((k - p + 1) / 2), pairs);
  }
}

__m512i widened(__m512 x) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)); }

void pair_rows(const float* x, const float* y, Index n, float* out) {
  for (Index j = 0; j < n; j += 16) {
    const __mmask16 lanes = first_lanes(n - j);
    const __m512i low = widened(_mm512_maskz_loadu_ps(lanes, x + j));
    const __m512i high =
        y == nullptr ? _mm512_setzero_si512() : widened(_mm512_maskz_loadu_ps(lanes, y + j));
    _mm512_mask_storeu_epi32(out + j, lanes, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

}  // namespace

Bf16Kernels bf16_kernels() { return {gemm_kernels(), pair_row, pair_rows}; }

}  // namespace unroll::UNROLL_ISA
