// Picks the widest vector kernels that this CPU and its operating system support.
#include <unroll/ops/kernels/simd.h>

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
#endif

namespace {

SimdKernels pick() {
  SimdKernels table;
#ifdef UNROLL_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    table = avx512::kernels();
    table.name = "avx512";
    return table;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    table = avx2::kernels();
    table.name = "avx2";
    return table;
  }
#endif
  table = baseline::kernels();
  table.name = "baseline";
  return table;
}

}  // namespace

const SimdKernels& simd() {
  static const SimdKernels table = pick();
  return table;
}

}  // namespace unroll
