// One buffer per thread that only grows: a warm product allocates nothing.
#include <unroll/ops/kernels/gemm_scratch.h>

#include <unroll/autograd/arena.h>

namespace unroll {

float* gemm_scratch(std::int64_t floats) {
  thread_local WorkMemory memory;
  return reinterpret_cast<float*>(
      memory.at_least(static_cast<std::size_t>(floats) * sizeof(float)));
}

}  // namespace unroll
