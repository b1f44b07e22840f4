// What runs a formula on one tile: primitives by vector kernels in float, by definition in double,
// and conversion from and to other element types. Internal to ops/kernels.
#pragma once

#include <cstdint>

#include <unroll/autograd/convert.h>
#include <unroll/autograd/dtype.h>
#include <unroll/ops/formula.h>
#include <unroll/ops/kernels/simd.h>

namespace unroll {

inline void run_primitive(Code code, const float* a, const float* b, const float* c, float* out,
                          std::int64_t n) {
  simd().primitives[static_cast<std::size_t>(code)](a, b, c, out, n);
}
inline void run_primitive(Code code, const double* a, const double* b, const double* c, double* out,
                          std::int64_t n) {
  const int count = operand_count(code);
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = evaluate(code, a[i], count > 1 ? b[i] : 0, count > 2 ? c[i] : 0);
  }
}

/// out[i] = element first + i of `data`
template <class T>
void read_as(const void* data, Dtype dtype, std::int64_t first, std::int64_t n, T* out) {
  with_element(dtype, [&]<class From>(From*) {
    const auto* in = static_cast<const From*>(data) + first;
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(in[i]);
  });
}

/// element first + i of `data` = in[i]
template <class T>
void write_as(const T* in, void* data, Dtype dtype, std::int64_t first, std::int64_t n) {
  with_element(dtype, [&]<class To>(To*) {
    auto* out = static_cast<To*>(data) + first;
    for (std::int64_t i = 0; i < n; ++i) out[i] = converted<To>(in[i]);
  });
}

}  // namespace unroll
