// Float matrix products. Compiled once per instruction set, see simd_kernels.cpp.
//
// A tile of c, kTileRows x kTileVectors registers, is summed in registers: each step of k loads one
// row of a panel of b and broadcasts one element of each row of a. So an element of c is one chain
// of additions in the order of k, whatever m, n and its position are.
#include <cstring>
#include <utility>

#include <unroll/ops/kernels/simd.h>
#include <unroll/ops/kernels/simd_copy.h>
#include <unroll/ops/kernels/simd_panels.h>

namespace unroll::UNROLL_ISA {

GemmKernels gemm_kernels();

namespace {

// Sums, a row of b and an element of a fill the registers: 32 of AVX-512, 16 of the others, where
// a product without fused addition needs one more.
constexpr Index kTileRows = kWidth == 16 ? 8 : 4;
constexpr Index kTileVectors = kWidth == 4 ? 2 : 3;
// Steps of k at a time: more leave too little of the second cache for panels.
constexpr Index kDepth = 512;
// Steps of k that a packed panel is fetched ahead: the hardware's own prefetching ends with a page.
constexpr Index kAhead = 64;
// Steps of k before a tile's end at which the next one's part of c is fetched: sooner, and b drives
// it out of the first cache again where c's rows are a multiple of 4 KiB apart.
constexpr Index kLate = 128;
// Steps of k for each vector that is copied: more often, and the misses under way are too many.
constexpr Index kCopyEvery = 4;
// Floats of a at a time: they stay in the second cache while all panels of b pass by.
constexpr Index kRowFloats = 128 * 1024;
// Rows for which a panel of b is fetched once.
constexpr Index kRows = 384;

/// a * b + c, rounded once where the instruction set can. With UNROLL_BF16 each float of a and b
/// holds two bfloat16, neighbours in k, and both products are added.
Batch multiply_add(const Batch& a, const Batch& b, const Batch& c) {
#if defined(UNROLL_BF16)
  return _mm512_dpbf16_ps(c, (__m512bh)(__m512)a, (__m512bh)(__m512)b);
#elif defined(__AVX512F__)  // for which xsimd 8 leaves the rounding to the compiler
  return _mm512_fmadd_ps(a, b, c);
#else
  return xsimd::fma(a, b, c);
#endif
}

struct Tile {
  Index k;
  const float* a;
  Index a_row, a_k;
  const float* b;
  Index b_row, b_panel;
  Index b_ahead;       ///< to what is fetched ahead
  const float* start;  ///< what the sums begin with; null: zeros
  Index start_row;
  const float* bias;  ///< a row that is added to it, or null
  float* c;
  Index c_row;
  const float* next;   ///< the next tile's c
  const float* later;  ///< this tile's part of the panel that comes after this one
  Index later_step;    ///< floats of it for each step of k
  Copy* copy;
};

/// Few rows leave no time for it: they load as often as they add.
template <int kRows>
constexpr bool kFetchesAhead = kRows > kTileRows / 2;

/// The next tile's results, into the first cache (locality 3) or the second (2).
template <int kRows, int kColumns, int kLocality>
void fetch_next(const Tile& t) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
      __builtin_prefetch(t.next + r * t.c_row + j * kWidth, 1, kLocality);
    }
  }
}

/// kRows rows by kPanels adjacent panels of kVectors vectors.
template <int kRows, int kVectors, int kPanels, bool kCopies = false>
void run_tile(const Tile& t) {
  constexpr int kColumns = kPanels * kVectors;
  Batch sums[kRows][kColumns];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
      sums[r][j] = t.start == nullptr
                       ? Batch(0.0f)
                       : Batch::load_unaligned(t.start + r * t.start_row + j * kWidth);
    }
  }
  if (t.bias != nullptr) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
      const Batch bias = Batch::load_unaligned(t.bias + j * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) sums[r][j] = sums[r][j] + bias;
    }
  }
  const float *a = t.a, *b = t.b;
  const Index a_row = t.a_row, a_k = t.a_k, b_row = t.b_row, b_panel = t.b_panel;
  const Index b_ahead = t.b_ahead, later_step = t.later_step;
  const float* later = t.later;
  fetch_next<kRows, kColumns, 2>(t);  // the first cache has no room for them until they are due
  const auto add = [&] {
    Batch right[kColumns];
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) {
      const float* const from = b + j / kVectors * b_panel + j % kVectors * kWidth;
      right[j] = Batch::load_unaligned(from);
      if constexpr (kFetchesAhead<kRows>) __builtin_prefetch(from + b_ahead);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Batch factor(a[r * a_row]);
#pragma GCC unroll 16
      for (int j = 0; j < kColumns; ++j) sums[r][j] = multiply_add(factor, right[j], sums[r][j]);
    }
    a += a_k;
    b += b_row;
  };
  const auto fetch_later = [&] {
    if constexpr (kFetchesAhead<kRows>) {
      __builtin_prefetch(later, 0, 2);  // into the second cache
      later += later_step;
    }
  };
  Copy copy{};
  if constexpr (kCopies) copy = *t.copy;
  for (Index left = t.k, steps; left > 0; left -= steps) {
    steps = left > kLate ? left - kLate : left;
    if (steps == left) fetch_next<kRows, kColumns, 3>(t);
    Index p = steps;
    if constexpr (kCopies) {
      for (; p >= kCopyEvery && copy.left > 0; p -= kCopyEvery, --copy.left) {
        copy.step();
#pragma GCC unroll 16
        for (Index i = 0; i < kCopyEvery; ++i) add();
      }
    }
#pragma GCC unroll 2
    for (; p > 0; --p) {
      fetch_later();
      add();
    }
  }
  if constexpr (kCopies) *t.copy = copy;
  float* const c = t.c;
  const Index c_row = t.c_row;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int j = 0; j < kColumns; ++j) sums[r][j].store_unaligned(c + r * c_row + j * kWidth);
  }
}

/// Few rows take several panels at once: an addition takes four cycles, and eight can be under way.
constexpr Index most_panels(Index rows) {
  return rows <= kTileRows / 4 ? 4 : rows <= kTileRows / 2 ? 2 : 1;
}

using RunTile = void (*)(const Tile&);

/// By vectors - 1 of a panel, for 1, 2 and 4 panels.
struct TilesOfRows {
  RunTile one[kTileVectors], two[kTileVectors], four[kTileVectors];
  RunTile copying[kTileVectors];  ///< one panel
};

template <int kRows, int... v>
constexpr TilesOfRows tiles_of_rows(std::integer_sequence<int, v...>) {
  constexpr int kMost = most_panels(kRows);
  return {{run_tile<kRows, v + 1, 1>...},
          {run_tile<kRows, v + 1, (kMost < 2 ? 1 : 2)>...},
          {run_tile<kRows, v + 1, kMost>...},
          {run_tile<kRows, v + 1, 1, kRows == kTileRows>...}};
}

struct TileTable {
  TilesOfRows rows[kTileRows];
};

template <int... r>
constexpr TileTable tile_table(std::integer_sequence<int, r...>) {
  return {{tiles_of_rows<r + 1>(std::make_integer_sequence<int, kTileVectors>())...}};
}

constexpr TileTable kTiles = tile_table(std::make_integer_sequence<int, kTileRows>());

/// A tile whose last vector reaches over c's edge: the same code on a copy.
void run_edge_tile(RunTile run, Tile t, Index rows, Index columns) {
  constexpr Index kCopyRow = kTileVectors * kWidth;
  alignas(64) float copy[kTileRows * kCopyRow] = {}, bias[kCopyRow] = {};
  const std::size_t bytes = static_cast<std::size_t>(columns) * sizeof(float);
  if (t.start != nullptr) {
    for (Index r = 0; r < rows; ++r) {
      std::memcpy(copy + r * kCopyRow, t.start + r * t.start_row, bytes);
    }
    t.start = copy;
    t.start_row = kCopyRow;
  }
  if (t.bias != nullptr) {
    std::memcpy(bias, t.bias, bytes);
    t.bias = bias;
  }
  float* const c = t.c;
  const Index c_row = t.c_row;
  t.c = copy;
  t.c_row = kCopyRow;
  run(t);
  for (Index r = 0; r < rows; ++r) std::memcpy(c + r * c_row, copy + r * kCopyRow, bytes);
}

/// Part of c: `count` panels of `vectors` vectors each, from vector number `vector` on.
struct Panels {
  Index vector, vectors, count;
};
struct Range {
  Index begin, size;
};

/// Where part `depth` of k of a packed panel begins.
const float* panel_at(const GemmBlock& g, const Cut& panels, Index panel, Index depth) {
  return g.b + kWidth * (panels.begin(panel) * g.b_column + panels.size(panel) * depth);
}

/// `later`: the panel after these.
void multiply_panels(const GemmBlock& g, const Range& rows, const Range& depth,
                     const Panels& panels, const float* later, Copy& copy) {
  const Index column = panels.vector * kWidth, width = panels.count * panels.vectors * kWidth;
  const Index columns = smaller(width, g.n - column);
  const bool is_first = depth.begin == 0;
  const float* const start = is_first ? g.start : g.c;
  Tile t{};
  t.k = depth.size;
  t.a_row = g.a_row;
  t.a_k = g.a_k;
  t.b_row = g.b_row != 0 ? g.b_row : panels.vectors * kWidth;
  t.b_ahead = g.b_row != 0 ? 0 : kAhead * t.b_row;
  t.b_panel = panels.vectors * kWidth * g.b_column;
  t.b = g.b + column * g.b_column + depth.begin * t.b_row;
  t.start_row = is_first ? g.start_row : g.c_row;
  t.bias = is_first && g.bias != nullptr ? g.bias + column : nullptr;
  t.c_row = g.c_row;
  t.copy = &copy;
  const Index strip_rows = g.a_strip_rows != 0 ? g.a_strip_rows : g.m;
  t.later = later;
  t.later_step = ceil_div(width, ceil_div(rows.size, kTileRows));
  const Index end = rows.begin + rows.size;
  for (Index strip_row = rows.begin; strip_row < end; strip_row += strip_rows) {
    const Index here = smaller(strip_rows, end - strip_row);
    const float* const strip = g.a + strip_row / strip_rows * g.a_strip +
                               strip_row % strip_rows * g.a_row + depth.begin * g.a_k;
    const Cut tiles{here, ceil_div(here, kTileRows)};
    for (Index i = 0; i < tiles.parts; ++i) {
      const Index tile_row = tiles.begin(i), tile_rows = tiles.size(i);
      const Index row = strip_row + tile_row;
      t.a = strip + tile_row * g.a_row;
      t.start = start == nullptr ? nullptr : start + row * t.start_row + column;
      t.c = g.c + row * g.c_row + column;
      const bool is_last = row + tile_rows == end, goes_on = depth.begin + depth.size < g.k;
      t.next = is_last ? g.c + rows.begin * g.c_row + column + (goes_on ? 0 : width)
                       : t.c + tile_rows * t.c_row;
      const TilesOfRows& tiles_for = kTiles.rows[tile_rows - 1];
      const RunTile run = (panels.count == 1   ? tiles_for.one
                           : panels.count == 2 ? tiles_for.two
                                               : tiles_for.four)[panels.vectors - 1];
      const bool copies = copy.left > 0 && tile_rows == kTileRows && panels.count == 1;
      if (columns == width) {
        (copies ? tiles_for.copying[panels.vectors - 1] : run)(t);
      } else {
        run_edge_tile(run, t, tile_rows, columns);
      }
      t.later += t.later_step * t.k;
    }
  }
}

/// A block of rows with parts `first` to `end` of k: panel by panel.
void multiply_rows(const GemmBlock& g, const Range& rows, const Cut& panels, const Cut& depths,
                   Index first, Index end, Copy& copy) {
  for (Index i = 0, count; i < panels.parts; i += count) {
    // Alike panels that lie inside c go together, if all rows are in one tile.
    for (count = most_panels(rows.size); count > 1; count /= 2) {
      const Index next = i + count;
      if (next <= panels.parts && panels.size(next - 1) == panels.size(i) &&
          panels.begin(next) * kWidth <= g.n) {
        break;
      }
    }
    for (Index d = first; d < end; ++d) {
      const bool goes_on = d + 1 < end;
      const Index next = goes_on || i + count == panels.parts ? i : i + count;
      const float* const later =
          g.b_row != 0 ? g.b : panel_at(g, panels, next, depths.begin(goes_on ? d + 1 : first));
      multiply_panels(g, rows, {depths.begin(d), depths.size(d)},
                      {panels.begin(i), panels.size(i), count}, later, copy);
    }
  }
}

void multiply(const GemmBlock& g) {
  if (g.m == 0 || g.n == 0) return;
  const Cut panels = panels_of(g.n, kTileVectors);
  const Cut depths{g.k, g.k <= kDepth * 3 / 2 ? 1 : ceil_div(g.k, kDepth)};
  const Index strip_rows = g.a_strip_rows != 0 ? g.a_strip_rows : kTileRows;
  const Index block_rows = ceil_div(ceil_div(g.m, ceil_div(g.m, kRows)), strip_rows) * strip_rows;
  // So many parts of k that their part of a block of rows stays in the second cache.
  const Index fitting = kRowFloats / (block_rows * ceil_div(g.k, depths.parts) + 1);
  const Index together = fitting > 1 ? fitting : 1;
  Copy copy = g.ahead == nullptr ? Copy{} : copy_of(*g.ahead);
  for (Index row = 0; row < g.m; row += block_rows) {
    const Range rows{row, smaller(block_rows, g.m - row)};
    for (Index d = 0; d < depths.parts; d += together) {
      multiply_rows(g, rows, panels, depths, d, smaller(d + together, depths.parts), copy);
    }
  }
  if (g.ahead != nullptr) finish(copy, *g.ahead);
}

}  // namespace

GemmKernels gemm_kernels() { return {kWidth, kTileVectors, multiply, pack_panels}; }

}  // namespace unroll::UNROLL_ISA
