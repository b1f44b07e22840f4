// Copies a right factor into panels. Compiled once per instruction set, see simd_kernels.cpp.
#include <cstring>
#include <utility>

#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/kernels/simd_panels.h>

namespace unroll::UNROLL_ISA {

void pack_panels(const GemmPack& g);

namespace {

/// b row by row, each row to all panels: rows may lie pages apart, so whole ones are read.
void pack_rows(const GemmPack& g, const Cut& panels) {
  constexpr Index kAhead = 8;  // rows; the hardware's own prefetching ends with a page
  const Index whole = g.n / kWidth, rest = g.n % kWidth;
  for (Index p = 0; p < g.k; ++p) {
    const float* const row = g.b + p * g.b_row;
    const float* const later = p + kAhead < g.k ? row + kAhead * g.b_row : row;
    const Index narrow = panels.total / panels.parts, wide_count = panels.total % panels.parts;
    Index vector = 0;
    for (Index i = 0; i < panels.parts; ++i) {
      const Index vectors = narrow + (i < wide_count ? 1 : 0), end = vector + vectors;
      float* to = g.out + (vector * g.k + p * vectors) * kWidth;
      for (; vector < end; ++vector, to += kWidth) {
        const float* const from = row + vector * kWidth;
        __builtin_prefetch(later + vector * kWidth);
        if (vector < whole) {
          Batch::load_unaligned(from).store_unaligned(to);
        } else {
          for (Index l = 0; l < kWidth; ++l) to[l] = l < rest ? from[l] : 0.0f;
        }
      }
    }
  }
}

typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));

/// The lower or upper halves of a and b, element by element in turn.
template <int... i>
Vector mix_low(const Vector& a, const Vector& b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (i % 2 * int{kWidth} + i / 2)...);
}
template <int... i>
Vector mix_high(const Vector& a, const Vector& b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (i % 2 * int{kWidth} + int{kWidth} / 2 + i / 2)...);
}

/// out = the transpose of x, kWidth x kWidth. Mixing rows i and i + kWidth / 2 rotates the bits of
/// (row, column) by one; after log2(kWidth) rounds row and column have changed places.
void transpose_square(const float* x, Index x_row, float* out, Index out_row) {
  constexpr auto kLanes = std::make_integer_sequence<int, kWidth>();
  constexpr int kHalf = kWidth / 2;
  Vector rows[kWidth], mixed[kWidth];
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) std::memcpy(&rows[i], x + i * x_row, sizeof(Vector));
#pragma GCC unroll 4
  for (int round = 1; round < kWidth; round *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < kHalf; ++i) {
      mixed[2 * i] = mix_low(rows[i], rows[i + kHalf], kLanes);
      mixed[2 * i + 1] = mix_high(rows[i], rows[i + kHalf], kLanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) rows[i] = mixed[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) std::memcpy(out + i * out_row, &rows[i], sizeof(Vector));
}

/// b's transpose, a vector of b's columns at a time.
void pack_transposed(const GemmPack& g, const Cut& panels) {
  for (Index i = 0; i < panels.parts; ++i) {
    const Index begin = panels.begin(i) * kWidth, width = panels.size(i) * kWidth;
    for (Index j = begin; j < begin + width; j += kWidth) {
      const float* const columns = g.b + j * g.b_row;
      const Index count = smaller(kWidth, g.n - j);
      float* const to = g.out + begin * g.k + (j - begin);
      Index p = 0;
      if (count == kWidth) {
        for (; p + kWidth <= g.k; p += kWidth) {
          transpose_square(columns + p, g.b_row, to + p * width, width);
        }
      }
      for (; p < g.k; ++p) {
        for (Index l = 0; l < kWidth; ++l) {
          to[p * width + l] = l < count ? columns[l * g.b_row + p] : 0.0f;
        }
      }
    }
  }
}

/// b's transpose as one panel of whole vectors. Its rows may be pages apart, so some neighbours are
/// written one after the other.
void transpose_matrix(const GemmPack& g) {
  constexpr Index kSome = 4 * kWidth;
  const Index whole = g.k / kWidth * kWidth;
  for (Index first = 0; first < g.n; first += kSome) {
    const Index end = smaller(g.n, first + kSome);
    for (Index p = 0; p < whole; p += kWidth) {
      for (Index j = first; j < end; j += kWidth) {
        transpose_square(g.b + j * g.b_row + p, g.b_row, g.out + p * g.n + j, g.n);
      }
    }
    for (Index p = whole; p < g.k; ++p) {
      for (Index j = first; j < end; ++j) g.out[p * g.n + j] = g.b[j * g.b_row + p];
    }
  }
}

}  // namespace

void pack_panels(const GemmPack& g) {
  if (g.n == 0) return;
  const Cut panels = panels_of(g.n, g.panel_vectors);
  if (g.transposed && panels.parts == 1 && g.n % kWidth == 0) {
    transpose_matrix(g);
  } else if (g.transposed) {
    pack_transposed(g, panels);
  } else {
    pack_rows(g, panels);
  }
}

}  // namespace unroll::UNROLL_ISA
