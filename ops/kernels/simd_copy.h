// Packing on the way: vectors of a left factor are copied while tiles are summed, for
// simd_gemm.cpp.
#pragma once

#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/kernels/simd_panels.h>

namespace unroll::UNROLL_ISA {

void pack_panels(const GemmPack& g);  // simd_gemm_pack.cpp

// Vectors that a copy is fetched ahead, past the second cache, which has other things to keep.
constexpr Index kCopyAhead = 16;

/// Vectors that are copied while a tile is summed, row by row of `vectors` each.
struct Copy {
  const float* from;
  float* to;
  Index vectors, vector;     ///< of a row, and which one is next
  Index from_turn;           ///< from the last vector of a row to the first of the next
  Index to_vector, to_turn;  ///< from one vector to the next, and at the end of a row
  Index ahead;               ///< to what is fetched
  Index left;                ///< vectors to come

  void step() {
    Batch::load_unaligned(from).store_unaligned(to);
    __builtin_prefetch(from + ahead, 0, 0);
    const bool turns = ++vector == vectors;
    from += turns ? from_turn : kWidth;
    to += turns ? to_turn : to_vector;
    vector = turns ? 0 : vector;
  }
};

/// The whole vectors of `g`; the strips of a row lie g.k rows apart.
inline Copy copy_of(const GemmPack& g) {
  const Index vectors = g.n / kWidth, to_vector = g.k * kWidth;
  return {g.b,
          g.out,
          vectors,
          0,
          g.b_row - (vectors - 1) * kWidth,
          to_vector,
          kWidth - (vectors - 1) * to_vector,
          vectors == 0 ? 0 : ceil_div(kCopyAhead, vectors) * g.b_row,
          vectors * g.k};
}

/// What no tile has copied.
inline void finish(Copy copy, const GemmPack& g) {
  for (; copy.left > 0; --copy.left) copy.step();
  const Index whole = g.n / kWidth * kWidth;
  pack_panels({g.k, g.n - whole, g.b + whole, g.b_row, false, 1, g.out + whole * g.k});
}

}  // namespace unroll::UNROLL_ISA
