// Picks the widest vector kernels that this CPU and its operating system support.
#include <unroll/ops/kernels/simd.h>

#include <vector>

namespace unroll {

namespace baseline {
SimdKernels kernels();
}
#ifdef UNROLL_X86
namespace avx2 {
SimdKernels kernels();
}
namespace avx512 {
SimdKernels kernels();
}
namespace avx512bf16 {
Bf16Kernels bf16_kernels();
}
#endif

namespace {

#ifdef UNROLL_X86
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

std::vector<SimdKernels> list_supported() {
  std::vector<SimdKernels> tables;
  const auto add = [&](SimdKernels table, const char* name) {
    table.name = name;
    tables.push_back(table);
  };
#ifdef UNROLL_X86
  if (has_avx512()) {
    add(avx512::kernels(), "avx512");
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    add(avx2::kernels(), "avx2");
  }
#endif
  add(baseline::kernels(), "baseline");
  return tables;
}

}  // namespace

std::span<const SimdKernels> supported_simd() {
  static const std::vector<SimdKernels> tables = list_supported();
  return tables;
}

const SimdKernels& simd() {
  static const SimdKernels& widest = supported_simd().front();
  return widest;
}

const Bf16Kernels* bf16_kernels() {
#ifdef UNROLL_X86
  if (has_avx512() && __builtin_cpu_supports("avx512bf16")) {
    static const Bf16Kernels kernels = avx512bf16::bf16_kernels();
    return &kernels;
  }
#endif
  return nullptr;
}

}  // namespace unroll
