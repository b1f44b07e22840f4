// Matrix products on raw row-major memory: float in vector kernels, double in plain loops.
//
// A float product is summed in the order of k, in fused steps where the CPU has them. So an element
// of c has the same bits whatever m, n, its position and the layout of a and b are: a batch equals
// its rows one by one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unroll {

/// How the operands lie in memory.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false;  ///< a is stored as [k, m]
  bool transpose_b = false;  ///< b is stored as [n, k]
};

/// c [m, n] = a [m, k] b [k, n], or added to c. Any extent may be 0. c overlaps neither a nor b.
void gemm(const GemmShape& shape, const float* a, const float* b, float* c, bool accumulate);
void gemm(const GemmShape& shape, const double* a, const double* b, double* c, bool accumulate);

/// y [columns, rows] = the transpose of x [rows, columns]; `rows` is a multiple of 16.
void transpose_matrix(const float* x, std::int64_t rows, std::int64_t columns, float* y);

/// Bytes of a packed b [k, n]: a multiple of 64.
std::size_t packed_size(std::int64_t k, std::int64_t n);

/// Packs b [k, n], or its transpose stored as [n, k], for gemm_packed. `packed` has
/// packed_size(k, n) bytes on a 64-byte boundary; what they then hold depends on the CPU.
void pack(const float* b, std::int64_t k, std::int64_t n, bool transposed, void* packed);

/// c [m, n] = a [m, k] b [k, n] + bias [n], or added to c. A row of a begins lda elements after the
/// one before, a row of c ldc; what lies between c's rows stays as it is. `bias` may be null. Any
/// extent may be 0.
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                 const void* packed, const float* bias, float* c, std::int64_t ldc,
                 bool accumulate);

// The same with a and b rounded to bfloat16 (8 bits of mantissa, to nearest even; subnormals are
// zeros) and sums in float, at about twice the speed. Only for a CPU where has_bf16(), see tape.h.

std::size_t packed_size_bf16(std::int64_t k, std::int64_t n);
void pack_bf16(const float* b, std::int64_t k, std::int64_t n, bool transposed, void* packed);
/// With `transpose_a`, a is stored as [k, m]; lda is then from one of those rows to the next.
void gemm_packed_bf16(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                      std::int64_t lda, bool transpose_a, const void* packed, const float* bias,
                      float* c, std::int64_t ldc, bool accumulate);

}  // namespace unroll
