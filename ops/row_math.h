// What kernels do with one contiguous row: float by the vector tables, double by plain loops.
// Internal to ops/.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <unroll/autograd/formula_codes.h>
#include <unroll/ops/kernels/simd.h>

namespace unroll::row {

/// Sum of x[i].
inline float sum(const float* x, std::int64_t n) { return simd().sum(x, n); }
inline double sum(const double* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

/// Sum of a[i] b[i].
inline float dot(const float* a, const float* b, std::int64_t n) { return simd().dot(a, b, n); }
inline double dot(const double* a, const double* b, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += a[i] * b[i];
  return total;
}

/// The largest element (NaN if there is one), -inf if n is 0.
inline float max(const float* x, std::int64_t n) { return simd().max(x, n); }
inline double max(const double* x, std::int64_t n) {
  double best = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return x[i];
    if (x[i] > best) best = x[i];
  }
  return best;
}

/// out[i] = exp(x[i] - shift), which may be null or x; returns their sum.
inline float exp_shifted(const float* x, float shift, float* out, std::int64_t n) {
  return simd().exp_shifted(x, shift, out, n);
}
inline double exp_shifted(const double* x, double shift, double* out, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double y = std::exp(x[i] - shift);
    if (out != nullptr) out[i] = y;
    total += y;
  }
  return total;
}

/// out[i] = x[i] scale + shift; out may be x.
inline void scale_shift(const float* x, float scale, float shift, float* out, std::int64_t n) {
  simd().scale_shift(x, scale, shift, out, n);
}
inline void scale_shift(const double* x, double scale, double shift, double* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = x[i] * scale + shift;
}

/// out[i] += x[i]
inline void add_to(float* out, const float* x, std::int64_t n) { simd().add_to(out, x, n); }
inline void add_to(double* out, const double* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] += x[i];
}

/// out[i] += x[i] scale
inline void add_scaled(float* out, const float* x, float scale, std::int64_t n) {
  simd().add_scaled(out, x, scale, n);
}
inline void add_scaled(double* out, const double* x, double scale, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] += x[i] * scale;
}

/// out[i] *= x[i]
inline void multiply_by(float* out, const float* x, std::int64_t n) {
  simd().primitives[static_cast<int>(Code::mul)](out, x, nullptr, out, n);
}
inline void multiply_by(double* out, const double* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] *= x[i];
}

}  // namespace unroll::row
