// Double products: the oracle, so plain loops in the order that reads memory forwards.
#include <algorithm>

#include <unroll/ops/kernels/gemm.h>

namespace unroll {

void gemm(const GemmShape& s, const double* a, const double* b, double* c, bool accumulate) {
  if (!accumulate) std::fill_n(c, s.m * s.n, 0.0);
  const auto a_at = [&](std::int64_t i, std::int64_t p) {
    return s.transpose_a ? a[p * s.m + i] : a[i * s.k + p];
  };
  for (std::int64_t i = 0; i < s.m; ++i) {
    double* const row = c + i * s.n;
    if (s.transpose_b) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < s.k; ++p) sum += a_at(i, p) * b[j * s.k + p];
        row[j] += sum;
      }
    } else {
      for (std::int64_t p = 0; p < s.k; ++p) {
        const double factor = a_at(i, p);
        for (std::int64_t j = 0; j < s.n; ++j) row[j] += factor * b[p * s.n + j];
      }
    }
  }
}

}  // namespace unroll
