// Products of bfloat16: float factors become pairs on the way to the vector kernels.
#include <algorithm>

#include <unroll/autograd/tape.h>
#include <unroll/ops/kernels/gemm.h>
#include <unroll/ops/kernels/gemm_scratch.h>
#include <unroll/ops/kernels/simd.h>

namespace unroll {

namespace {

using Index = std::int64_t;

/// Pairs of a at a time; they stay in the second cache.
constexpr Index kBlockPairs = 128 * 1024;
constexpr Index kVector = 16;

Index pairs_of(Index k) { return (k + 1) / 2; }

}  // namespace

bool has_bf16() { return bf16_kernels() != nullptr; }

std::size_t packed_size_bf16(std::int64_t k, std::int64_t n) { return packed_size(pairs_of(k), n); }

void pack_bf16(const float* b, std::int64_t k, std::int64_t n, bool transposed, void* packed) {
  const Bf16Kernels& kernels = *bf16_kernels();
  const Index panel = kernels.gemm.panel_vectors * kVector;
  float* const scratch = transposed ? gemm_scratch(pairs_of(k) * panel) : nullptr;
  kernels.pack({k, n, b, transposed ? k : n, transposed, kernels.gemm.panel_vectors,
                static_cast<float*>(packed)},
               scratch);
}

void gemm_packed_bf16(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                      std::int64_t lda, bool transpose_a, const void* packed, const float* bias,
                      float* c, std::int64_t ldc, bool accumulate) {
  const Bf16Kernels& kernels = *bf16_kernels();
  const Index width = pairs_of(k);
  const Index most_rows =
      std::max<Index>(64, kBlockPairs / std::max<Index>(1, width) / kVector * kVector);
  GemmBlock block{};
  block.n = n;
  block.k = width;
  block.a_row = transpose_a ? 1 : width;
  block.a_k = transpose_a ? kVector : 1;
  block.a_strip_rows = transpose_a ? kVector : 0;
  block.a_strip = transpose_a ? kVector * width : 0;
  block.b = static_cast<const float*>(packed);
  block.b_column = width;
  block.start_row = block.c_row = ldc;
  block.bias = bias;
  for (Index row = 0; row < m; row += most_rows) {
    block.m = std::min(most_rows, m - row);
    float* const pairs = gemm_scratch((block.m + kVector) * width);
    if (transpose_a) {
      for (Index p = 0; p < width; ++p) {
        const float* const first = a + 2 * p * lda + row;
        kernels.pair_rows(first, 2 * p + 1 < k ? first + lda : nullptr, block.m,
                          pairs + p * kVector, block.a_strip);
      }
    } else {
      for (Index i = 0; i < block.m; ++i) {
        kernels.pair_row(a + (row + i) * lda, k, pairs + i * width);
      }
    }
    block.a = pairs;
    block.c = c + row * ldc;
    block.start = accumulate ? block.c : nullptr;
    kernels.gemm.multiply(block);
  }
}

}  // namespace unroll
