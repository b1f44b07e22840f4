// Float products: which blocks of the operands are packed on the way to the vector kernels.
#include <unroll/ops/kernels/gemm.h>

#include <algorithm>
#include <utility>

#include <unroll/ops/kernels/gemm_scratch.h>
#include <unroll/ops/kernels/simd.h>

namespace unroll {

namespace {

using Index = std::int64_t;

Index round_up(Index x, Index unit) { return (x + unit - 1) / unit * unit; }

/// `total` cut into equal parts, in multiples of `unit`, none larger than `most`.
Index part_of(Index total, Index most, Index unit) {
  const Index parts = std::max<Index>(1, (total + most - 1) / most);
  return std::max(unit, round_up((total + parts - 1) / parts, unit));
}

// A packed block of a stays in the second cache while b's panels pass by.
constexpr Index kBlockDepth = 512, kBlockColumns = 1152, kBlockRows = 96;
// For a few rows b is better read where it lies, or a few columns at a time if it has to be
// transposed.
constexpr Index kFewRows = 64, kFewRowsColumns = 96;
// Elements of a^T that are neighbours in k lie far apart. Packing it pays where many panels of b
// read it, and where a row's length lets them drive each other out of the caches, with fewer.
constexpr Index kManyRows = 512, kManyColumns = 512, kPackedBlockRows = 144;
constexpr Index kCollidingRow = 1024, kSomeColumns = 96;

/// c's columns `first` to `first + count`. While a block is multiplied, the next one of a is
/// packed.
void multiply_columns(const GemmShape& s, const float* a, const float* b, float* c, bool accumulate,
                      Index first, Index count, bool pack_b) {
  const GemmKernels& kernels = simd().gemm;
  const Index least_columns = s.m % kCollidingRow == 0 ? kSomeColumns : kManyColumns;
  const bool pack_a = s.transpose_a && s.m >= kManyRows && count >= least_columns;
  const Index depths = pack_b ? part_of(s.k, kBlockDepth, 1) : std::max<Index>(1, s.k);
  const Index most_columns = s.m <= kFewRows ? kFewRowsColumns : kBlockColumns;
  const Index columns = pack_b ? part_of(count, most_columns, kernels.width) : count;
  const Index rows = part_of(s.m, pack_a ? kPackedBlockRows : kBlockRows, kernels.width);
  const Index panels_size = pack_b ? depths * columns : 0;
  const Index strips_size = pack_a ? depths * rows : 0;
  float* const panels = gemm_scratch(panels_size + 2 * strips_size);
  float *strips = panels + panels_size, *next_strips = strips + strips_size;
  const auto strips_of = [&](Index depth, Index row, float* out) {
    return GemmPack{std::min(depths, s.k - depth),
                    std::min(rows, s.m - row),
                    a + depth * s.m + row,
                    s.m,
                    false,
                    1,
                    out};
  };
  if (pack_a) kernels.pack(strips_of(0, 0, strips));

  GemmBlock block{};
  block.c_row = block.start_row = s.n;
  for (Index column = first; column < first + count; column += columns) {
    block.n = std::min(columns, first + count - column);
    for (Index depth = 0; depth == 0 || depth < s.k; depth += depths) {
      block.k = std::min(depths, s.k - depth);
      block.b = b + (s.transpose_b ? column * s.k + depth : depth * s.n + column);
      block.b_row = s.transpose_b ? s.k : s.n;
      block.b_column = 1;
      if (pack_b) {
        kernels.pack(
            {block.k, block.n, block.b, block.b_row, s.transpose_b, kernels.panel_vectors, panels});
        block.b = panels;
        block.b_row = 0;
        block.b_column = block.k;
      }
      for (Index row = 0; row < s.m; row += rows) {
        block.m = std::min(rows, s.m - row);
        block.c = c + row * s.n + column;
        block.start = accumulate || depth > 0 ? block.c : nullptr;
        block.a = a + (s.transpose_a ? depth * s.m + row : row * s.k + depth);
        block.a_row = s.transpose_a ? 1 : s.k;
        block.a_k = s.transpose_a ? s.m : 1;
        if (!pack_a) {
          kernels.multiply(block);
          continue;
        }
        block.a = strips;
        block.a_k = block.a_strip_rows = kernels.width;
        block.a_strip = kernels.width * block.k;
        const bool last_row = row + rows >= s.m, last_depth = depth + depths >= s.k;
        const GemmPack ahead = strips_of(last_row ? (last_depth ? 0 : depth + depths) : depth,
                                         last_row ? 0 : row + rows, next_strips);
        const bool is_last = last_row && last_depth && column + columns >= first + count;
        block.ahead = is_last ? nullptr : &ahead;
        kernels.multiply(block);
        std::swap(strips, next_strips);
      }
    }
  }
}

}  // namespace

void gemm(const GemmShape& s, const float* a, const float* b, float* c, bool accumulate) {
  if (s.m == 0 || s.n == 0) return;
  // Kernels read whole vectors of an unpacked row.
  const bool direct = !s.transpose_b && s.m <= kFewRows;
  const Index whole = direct ? s.n / simd().gemm.width * simd().gemm.width : 0;
  if (whole > 0) multiply_columns(s, a, b, c, accumulate, 0, whole, false);
  if (whole < s.n) multiply_columns(s, a, b, c, accumulate, whole, s.n - whole, true);
}

std::size_t packed_size(std::int64_t k, std::int64_t n) {
  return static_cast<std::size_t>(round_up(round_up(n, simd().gemm.width) * k, 16)) * sizeof(float);
}

void pack(const float* b, std::int64_t k, std::int64_t n, bool transposed, void* packed) {
  const GemmKernels& kernels = simd().gemm;
  kernels.pack({k, n, b, transposed ? k : n, transposed, kernels.panel_vectors,
                static_cast<float*>(packed)});
}

void transpose_matrix(const float* x, std::int64_t rows, std::int64_t columns, float* y) {
  const GemmKernels& kernels = simd().gemm;  // one panel of all columns is the matrix itself
  kernels.pack({columns, rows, x, columns, true, rows / kernels.width, y});
}

void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                 const void* packed, const float* bias, float* c, std::int64_t ldc,
                 bool accumulate) {
  GemmBlock block{};
  block.m = m;
  block.n = n;
  block.k = k;
  block.a = a;
  block.a_row = lda;
  block.a_k = 1;
  block.b = static_cast<const float*>(packed);
  block.b_column = k;
  block.start = accumulate ? c : nullptr;
  block.start_row = ldc;
  block.bias = bias;
  block.c = c;
  block.c_row = ldc;
  simd().gemm.multiply(block);
}

}  // namespace unroll
