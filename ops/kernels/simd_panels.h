// How the columns of a right factor lie in panels, for simd_gemm.cpp and simd_gemm_pack.cpp.
#pragma once

#include <cstdint>

#include <xsimd/xsimd.hpp>

namespace unroll::UNROLL_ISA {

using Batch = xsimd::batch<float>;
using Index = std::int64_t;
constexpr Index kWidth = static_cast<Index>(Batch::size);

inline Index smaller(Index a, Index b) { return a < b ? a : b; }
inline Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

/// `total` in `parts` parts that differ by 1 at most, larger ones first.
struct Cut {
  Index total, parts;
  Index begin(Index i) const { return total / parts * i + smaller(i, total % parts); }
  Index size(Index i) const { return total / parts + (i < total % parts ? 1 : 0); }
};

/// The vectors that hold n > 0 columns, cut into panels.
inline Cut panels_of(Index n, Index most_vectors) {
  const Index vectors = ceil_div(n, kWidth);
  return {vectors, ceil_div(vectors, most_vectors)};
}

}  // namespace unroll::UNROLL_ISA
