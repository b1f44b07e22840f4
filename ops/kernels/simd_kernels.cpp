// Float kernels over xsimd. Compiled once per instruction set, with UNROLL_ISA naming it.
#include <unroll/ops/kernels/simd.h>

#include <limits>

#include <xsimd/xsimd.hpp>

#include <unroll/autograd/formula_codes.h>

namespace unroll::UNROLL_ISA {

GemmKernels gemm_kernels();  // simd_gemm.cpp

namespace {

using Batch = xsimd::batch<float>;
constexpr std::int64_t kWidth = static_cast<std::int64_t>(Batch::size);

Batch load(const float* p) { return Batch::load_unaligned(p); }
void store(float* p, const Batch& x) { x.store_unaligned(p); }

float sum_lanes(const Batch& x) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(x);
#else
  return xsimd::hadd(x);
#endif
}

/// The first n < kWidth elements; the others repeat the first one, so that they raise nothing new.
Batch load_part(const float* p, std::int64_t n) {
  alignas(64) float lanes[kWidth];
  Batch(p[0]).store_aligned(lanes);
  for (std::int64_t i = 1; i < n; ++i) lanes[i] = p[i];
  return Batch::load_aligned(lanes);
}
void store_part(float* p, const Batch& x, std::int64_t n) {
  alignas(64) float lanes[kWidth];
  x.store_aligned(lanes);
  for (std::int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

// Ends of arrays go through the same vector code as the rest: an element's bits never depend on
// where a batch was cut.
template <class F>
void map1(const float* a, float* out, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(out + i, f(load(a + i)));
  if (i < n) store_part(out + i, f(load_part(a + i, n - i)), n - i);
}
template <class F>
void map2(const float* a, const float* b, float* out, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(out + i, f(load(a + i), load(b + i)));
  if (i < n) store_part(out + i, f(load_part(a + i, n - i), load_part(b + i, n - i)), n - i);
}

Batch ones_where(const xsimd::batch_bool<float>& mask) {
  return xsimd::select(mask, Batch(1.0f), Batch(0.0f));
}

/// xsimd gives infinity from 88.38 on; the largest float is exp(88.72). Taking away 8 is exact
/// there.
template <class Exp>
Batch up_to_overflow(const Batch& x, Exp exp) {
  const auto is_big = x > Batch(88.0f);
  const Batch y = exp(xsimd::select(is_big, x - Batch(8.0f), x));
  return xsimd::select(is_big, y * Batch(2980.95799f), y);
}

Batch power(const Batch& a, const Batch& b) {
  using Double = xsimd::batch<double>;
  constexpr std::int64_t kDoubles = static_cast<std::int64_t>(Double::size);
  // |a|^b = exp(b log |a|), in double: a float logarithm would lose up to seven bits of the result.
  alignas(64) float base[kWidth], exponent[kWidth];
  alignas(64) double wide_base[kWidth], wide_exponent[kWidth];
  xsimd::abs(a).store_aligned(base);
  b.store_aligned(exponent);
  for (std::int64_t i = 0; i < kWidth; ++i) wide_base[i] = base[i];
  for (std::int64_t i = 0; i < kWidth; ++i) wide_exponent[i] = exponent[i];
  for (std::int64_t i = 0; i < kWidth; i += kDoubles) {
    const Double y = xsimd::exp(Double::load_aligned(wide_exponent + i) *
                                xsimd::log(Double::load_aligned(wide_base + i)));
    y.store_aligned(wide_base + i);
  }
  for (std::int64_t i = 0; i < kWidth; ++i) base[i] = static_cast<float>(wide_base[i]);
  const Batch one(1.0f), half = b * Batch(0.5f);
  const auto is_whole = b == xsimd::floor(b);
  Batch y = Batch::load_aligned(base);
  y = xsimd::select(b == Batch(0.0f) || xsimd::abs(a) == one, one, y);
  y = xsimd::select(is_whole && !(half == xsimd::floor(half)), xsimd::copysign(y, a), y);
  const auto is_defined = is_whole || !(a < Batch(0.0f)) || xsimd::isinf(a);
  return xsimd::select(is_defined, y, Batch(std::numeric_limits<float>::quiet_NaN()));
}

template <Code code>
Batch unary(const Batch& x) {
  // xsimd's -x is 0 - x for some instruction sets, which loses the sign of zero.
  if constexpr (code == Code::neg) return Batch(-0.0f) - x;
  if constexpr (code == Code::abs) return xsimd::abs(x);
  if constexpr (code == Code::sign) {
    return xsimd::select(x > Batch(0.0f), Batch(1.0f),
                         xsimd::select(x < Batch(0.0f), Batch(-1.0f), x));
  }
  if constexpr (code == Code::exp) {
    return up_to_overflow(x, [](const Batch& v) { return xsimd::exp(v); });
  }
  if constexpr (code == Code::log) return xsimd::log(x);
  if constexpr (code == Code::log1p) return xsimd::select(x == Batch(0.0f), x, xsimd::log1p(x));
  if constexpr (code == Code::expm1) {
    const Batch y = up_to_overflow(x, [](const Batch& v) { return xsimd::expm1(v); });
    return xsimd::select(x == Batch(0.0f), x, y);
  }
  if constexpr (code == Code::sqrt) return xsimd::sqrt(x);
  if constexpr (code == Code::tanh) return xsimd::tanh(x);
  if constexpr (code == Code::sigmoid) return Batch(1.0f) / (Batch(1.0f) + xsimd::exp(-x));
  if constexpr (code == Code::sin) return xsimd::sin(x);
  if constexpr (code == Code::cos) return xsimd::cos(x);
  if constexpr (code == Code::erf) return xsimd::erf(x);
  return x;
}

template <Code code>
Batch binary(const Batch& a, const Batch& b) {
  if constexpr (code == Code::add) return a + b;
  if constexpr (code == Code::sub) return a - b;
  if constexpr (code == Code::mul) return a * b;
  if constexpr (code == Code::div) return a / b;
  if constexpr (code == Code::pow) return power(a, b);
  if constexpr (code == Code::min) return xsimd::select(xsimd::isnan(a) || a < b, a, b);
  if constexpr (code == Code::max) return xsimd::select(xsimd::isnan(a) || a > b, a, b);
  if constexpr (code == Code::less) return ones_where(a < b);
  if constexpr (code == Code::less_equal) return ones_where(a <= b);
  if constexpr (code == Code::equal) return ones_where(a == b);
  // Not a != b, which xsimd makes false for NaN on AVX.
  if constexpr (code == Code::not_equal) return Batch(1.0f) - ones_where(a == b);
  return a;
}

template <Code code>
void tile(const float* a, const float* b, const float* c, float* out, std::int64_t n) {
  if constexpr (code < Code::add) {
    map1(a, out, n, [](const Batch& x) { return unary<code>(x); });
  } else if constexpr (code < Code::where) {
    map2(a, b, out, n, [](const Batch& x, const Batch& y) { return binary<code>(x, y); });
  } else {
    const auto choose = [](const Batch& mask, const Batch& x, const Batch& y) {
      return xsimd::select(mask == Batch(0.0f), y, x);
    };
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth)
      store(out + i, choose(load(a + i), load(b + i), load(c + i)));
    if (i < n) {
      const std::int64_t rest = n - i;
      store_part(out + i,
                 choose(load_part(a + i, rest), load_part(b + i, rest), load_part(c + i, rest)),
                 rest);
    }
  }
}

template <int... I>
void fill_primitives(SimdKernels& table, std::integer_sequence<int, I...>) {
  ((table.primitives[I] = tile<static_cast<Code>(I)>), ...);
}

void add_to(float* out, const float* x, std::int64_t n) {
  map2(out, x, out, n, [](const Batch& a, const Batch& b) { return a + b; });
}

/// Four running sums over whole vectors, the rest of the array apart.
template <class Term>
float reduce_sum(std::int64_t n, Term term, float rest_sum) {
  Batch s0(0.0f), s1(0.0f), s2(0.0f), s3(0.0f);
  std::int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    s0 += term(i);
    s1 += term(i + kWidth);
    s2 += term(i + 2 * kWidth);
    s3 += term(i + 3 * kWidth);
  }
  for (; i + kWidth <= n; i += kWidth) s0 += term(i);
  return sum_lanes((s0 + s1) + (s2 + s3)) + rest_sum;
}

float sum(const float* x, std::int64_t n) {
  float rest = 0;
  for (std::int64_t i = n / kWidth * kWidth; i < n; ++i) rest += x[i];
  return reduce_sum(
      n, [&](std::int64_t i) { return load(x + i); }, rest);
}

float dot(const float* a, const float* b, std::int64_t n) {
  float rest = 0;
  for (std::int64_t i = n / kWidth * kWidth; i < n; ++i) rest += a[i] * b[i];
  return reduce_sum(
      n, [&](std::int64_t i) { return load(a + i) * load(b + i); }, rest);
}

float max(const float* x, std::int64_t n) {
  const auto larger = [](const Batch& a, const Batch& b) {
    return xsimd::select(xsimd::isnan(a) || a > b, a, b);
  };
  Batch best(-std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) best = larger(load(x + i), best);
  if (i < n) best = larger(load_part(x + i, n - i), best);
  alignas(64) float lanes[kWidth];
  best.store_aligned(lanes);
  float result = lanes[0];
  for (std::int64_t k = 1; k < kWidth; ++k) {
    if (lanes[k] != lanes[k] || lanes[k] > result) result = lanes[k];
  }
  return result;
}

float exp_shifted(const float* x, float shift, float* out, std::int64_t n) {
  const Batch offset(shift);
  Batch total(0.0f);
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const Batch y = xsimd::exp(load(x + i) - offset);
    if (out != nullptr) store(out + i, y);
    total += y;
  }
  float result = sum_lanes(total);
  if (i < n) {
    alignas(64) float lanes[kWidth];
    xsimd::exp(load_part(x + i, n - i) - offset).store_aligned(lanes);
    for (std::int64_t k = 0; k < n - i; ++k) {
      if (out != nullptr) out[i + k] = lanes[k];
      result += lanes[k];
    }
  }
  return result;
}

void scale_shift(const float* x, float scale, float shift, float* out, std::int64_t n) {
  const Batch a(scale), b(shift);
  map1(x, out, n, [&](const Batch& v) { return v * a + b; });
}

void add_scaled(float* out, const float* x, float scale, std::int64_t n) {
  const Batch a(scale);
  map2(out, x, out, n, [&](const Batch& y, const Batch& v) { return y + v * a; });
}

SimdKernels make_table() {
  SimdKernels table{};
  fill_primitives(table, std::make_integer_sequence<int, kCodeCount>());
  table.add_to = add_to;
  table.sum = sum;
  table.dot = dot;
  table.max = max;
  table.exp_shifted = exp_shifted;
  table.scale_shift = scale_shift;
  table.add_scaled = add_scaled;
  table.gemm = gemm_kernels();
  return table;
}

}  // namespace

SimdKernels kernels() { return make_table(); }

}  // namespace unroll::UNROLL_ISA
