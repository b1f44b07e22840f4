// The float kernels that come in one version per vector unit, as tables of functions. The same
// sources, simd_*.cpp, are compiled once per instruction set; `simd()` picks one at run time.
// Plain pointers only: nothing here may instantiate library code under wider instruction flags.
#pragma once

#include <cstdint>
#include <span>

namespace unroll {

/// out[i] = primitive(a[i], b[i], c[i]), i < n; unused operands are null. `out` may equal an
/// operand. The result for an element depends on its operands only, not on n or its position.
using TileFunction = void (*)(const float* a, const float* b, const float* c, float* out,
                              std::int64_t n);

/// b [k, n] copied into panels of at most `panel_vectors` vectors, as equal as can be, each k rows
/// high and one after the other; n is filled up to whole vectors with zeros.
struct GemmPack {
  std::int64_t k, n;
  const float* b;
  std::int64_t b_row;  ///< elements from a stored row to the next
  bool transposed;     ///< b is stored as [n, k]
  std::int64_t panel_vectors;
  float* out;
};

/// c [m, n] = start + bias + a [m, k] b [k, n]. All steps are in elements. b lies in panels of
/// columns (see GemmPack), or row by row if n is a multiple of the vectors' width.
struct GemmBlock {
  std::int64_t m, n, k;
  const float* a;  ///< a's rows lie in strips; element [i, p] of a strip is i * a_row + p * a_k
  std::int64_t a_row, a_k;
  std::int64_t a_strip_rows;  ///< rows of a strip, 0: all rows are one strip
  std::int64_t a_strip;       ///< from strip to strip
  const float* b;
  std::int64_t b_column;  ///< from column to column between panels: k if packed, 1 if row by row
  std::int64_t b_row;     ///< from row to row; 0: as wide as the panel is
  const float* start;     ///< what each element's sum begins with; null: zeros. May be c.
  std::int64_t start_row;
  const float* bias;  ///< [n], added to start; may be null
  float* c;
  std::int64_t c_row;
  /// What is packed on the way, or null: not transposed, panels of one vector.
  const GemmPack* ahead;
};

struct GemmKernels {
  std::int64_t width;          ///< floats of a vector
  std::int64_t panel_vectors;  ///< vectors of a panel of b
  void (*multiply)(const GemmBlock& block);
  void (*pack)(const GemmPack& pack);
};

/// Products whose factors are bfloat16, two neighbours in k to a float's place; sums are float.
struct Bf16Kernels {
  GemmKernels gemm;
  /// Packs pairs of b's floats; `scratch` holds (k + 1) / 2 rows of a panel.
  void (*pack)(const GemmPack& pack, float* scratch);
  /// out[p] = (x[2 p], x[2 p + 1]) for k elements, an odd last one beside a zero
  void (*pair_row)(const float* x, std::int64_t k, float* out);
  /// (x[j], y[j]) in whole vectors of 16, filled up with zeros, each `step` elements after the
  /// last; y may be null: zeros
  void (*pair_rows)(const float* x, const float* y, std::int64_t n, float* out, std::int64_t step);
};

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
  GemmKernels gemm;
  const char* name;  ///< "avx512", "avx2" or "baseline"
};

/// The kernels for this CPU.
const SimdKernels& simd();

/// All kernels that this CPU can run, the widest first.
std::span<const SimdKernels> supported_simd();

/// Null if this CPU has no instructions for them.
const Bf16Kernels* bf16_kernels();

}  // namespace unroll
