// Floats to pairs of bfloat16, for products that add two at a time. Compiled for AVX512_BF16 only,
// with a copy of simd_gemm.cpp that multiplies such pairs.
#include <immintrin.h>

#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/kernels/simd_panels.h>

namespace unroll::UNROLL_ISA {

GemmKernels gemm_kernels();           // simd_gemm.cpp
void pack_panels(const GemmPack& g);  // simd_gemm_pack.cpp
Bf16Kernels bf16_kernels();

namespace {

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

void pair_rows(const float* x, const float* y, Index n, float* out, Index step) {
  // Word 2 i + 1 takes word i of the upper half, word 2 i that of the lower.
  const __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i in_turn = _mm512_or_si512(
      numbers, _mm512_slli_epi32(_mm512_add_epi32(numbers, _mm512_set1_epi32(16)), 16));
  for (Index j = 0; j < n; j += 16, out += step) {
    const __mmask16 lanes = first_lanes(n - j);
    const __m512 low = _mm512_maskz_loadu_ps(lanes, x + j);
    const __m512 high = y == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, y + j);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(in_turn, both));
  }
}

/// Panel by panel, each with what is left of the columns.
void pack(const GemmPack& g, float* scratch) {
  if (g.n == 0) return;
  const Index height = ceil_div(g.k, 2);
  const Cut panels = panels_of(g.n, g.panel_vectors);
  for (Index i = 0; i < panels.parts; ++i) {
    const Index begin = panels.begin(i) * kWidth, width = panels.size(i) * kWidth;
    const Index columns = smaller(width, g.n - begin);
    float* const to = g.out + begin * height;
    if (g.transposed) {
      for (Index j = 0; j < columns; ++j) {
        pair_row(g.b + (begin + j) * g.b_row, g.k, scratch + j * height);
      }
      pack_panels({height, columns, scratch, height, true, g.panel_vectors, to});
      continue;
    }
    for (Index p = 0; p < height; ++p) {
      const float* const row = g.b + 2 * p * g.b_row + begin;
      pair_rows(row, 2 * p + 1 < g.k ? row + g.b_row : nullptr, columns, to + p * width, kWidth);
    }
  }
}

}  // namespace

Bf16Kernels bf16_kernels() { return {gemm_kernels(), pack, pair_row, pair_rows}; }

}  // namespace unroll::UNROLL_ISA
