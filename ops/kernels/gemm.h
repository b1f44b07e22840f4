// Matrix products on raw row-major memory: float through oneDNN, double in plain loops.
#pragma once

#include <cstdint>

namespace unroll {

/// How the operands lie in memory.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false;  ///< a is stored as [k, m]
  bool transpose_b = false;  ///< b is stored as [n, k]
};

/// c [m, n] = a [m, k] b [k, n], or added to c. Any extent may be 0.
void gemm(const GemmShape& shape, const float* a, const float* b, float* c, bool accumulate);
void gemm(const GemmShape& shape, const double* a, const double* b, double* c, bool accumulate);

}  // namespace unroll
