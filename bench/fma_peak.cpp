// A loop of nothing but multiply-adds per instruction set. Sixteen independent ones are in flight:
// more than latency times units on any CPU, and no more than there are registers.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <unroll/bench/fma_peak.h>

namespace unroll::bench {

namespace {

constexpr int kRounds = 100'000;
constexpr std::size_t kChains = 16;

/// Runs the loop and returns how many operations it made. `sink` keeps the result alive.
using Loop = double (*)(float& sink);

double plain(float& sink) {
  constexpr std::size_t kWidth = 4;
  std::array<float, kChains * kWidth> a{};
  for (int r = 0; r < kRounds; ++r) {
    for (float& x : a) x = x * 0.999f + 0.001f;
  }
  for (const float x : a) sink += x;
  return 2.0 * kRounds * static_cast<double>(a.size());
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double avx512(float& sink) {
  __m512 a[kChains];
  for (std::size_t i = 0; i < kChains; ++i) a[i] = _mm512_set1_ps(0.1f * static_cast<float>(i));
  const __m512 m = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (int r = 0; r < kRounds; ++r) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kChains; ++i) a[i] = _mm512_fmadd_ps(a[i], m, b);
  }
  for (std::size_t i = 0; i < kChains; ++i) sink += _mm512_cvtss_f32(a[i]);
  return 2.0 * kRounds * kChains * 16;
}

__attribute__((target("avx2,fma"))) double avx2(float& sink) {
  constexpr std::size_t kFew = 12;  // of the 16 registers, two hold constants
  __m256 a[kFew];
  for (std::size_t i = 0; i < kFew; ++i) a[i] = _mm256_set1_ps(0.1f * static_cast<float>(i));
  const __m256 m = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int r = 0; r < kRounds; ++r) {
#pragma GCC unroll 12
    for (std::size_t i = 0; i < kFew; ++i) a[i] = _mm256_fmadd_ps(a[i], m, b);
  }
  for (std::size_t i = 0; i < kFew; ++i) sink += _mm256_cvtss_f32(a[i]);
  return 2.0 * kRounds * kFew * 8;
}
#endif

Loop widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
#endif
  return plain;
}

double best_of_runs(Loop loop) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  volatile float sink = 0;
  for (int run = 0; run < 20; ++run) {
    float value = sink;
    const auto begin = Clock::now();
    const double operations = loop(value);
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    sink = value;
    best = std::max(best, operations / seconds.count() * 1e-9);
  }
  return best;
}

}  // namespace

double fma_peak(int threads) {
  const Loop loop = widest();
  std::atomic<int> waiting{threads};
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::thread> others;
  const auto run = [&](std::size_t i) {
    --waiting;
    while (waiting > 0) std::this_thread::yield();
    rates[i] = best_of_runs(loop);
  };
  for (std::size_t i = 1; i < rates.size(); ++i) others.emplace_back(run, i);
  run(0);
  double total = 0;
  for (std::thread& other : others) other.join();
  for (const double rate : rates) total += rate;
  return total;
}

}  // namespace unroll::bench
