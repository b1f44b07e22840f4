// One buffer per thread that only grows: a warm product allocates nothing.
#include <unroll/ops/kernels/gemm_scratch.h>

#include <cstddef>
#include <memory>
#include <new>

namespace unroll {

namespace {

constexpr std::align_val_t kAlignment{64};

struct FreeAligned {
  void operator()(float* p) const { ::operator delete(p, kAlignment); }
};

}  // namespace

float* gemm_scratch(std::int64_t floats) {
  thread_local std::unique_ptr<float, FreeAligned> memory;
  thread_local std::int64_t size = 0;
  if (floats > size) {
    memory.reset();
    size = 0;
    const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
    memory.reset(static_cast<float*>(::operator new(bytes, kAlignment)));
    size = floats;
  }
  return memory.get();
}

}  // namespace unroll
