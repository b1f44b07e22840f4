// The only file that knows oneDNN. dnnl_sgemm is the same function in oneDNN 2 and 3.
#include <algorithm>

#include <dnnl.h>
#include <fmt/format.h>
#include <omp.h>

#include <unroll/autograd/error.h>
#include <unroll/ops/kernels/gemm.h>

namespace unroll {

namespace {

/// Debian's oneDNN is the OpenMP build. Threads go across the batch, so within this scope this
/// thread's products stay on it; the caller's setting comes back afterwards.
class OneThread {
 public:
  OneThread() : saved_(omp_get_max_threads()) {
    if (saved_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (saved_ != 1) omp_set_num_threads(saved_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_;
};

}  // namespace

void gemm(const GemmShape& s, const float* a, const float* b, float* c, bool accumulate) {
  if (s.m == 0 || s.n == 0) return;
  if (s.k == 0) {  // oneDNN crashes on it or leaves c unwritten
    if (!accumulate) std::fill_n(c, s.m * s.n, 0.0f);
    return;
  }
  const OneThread one_thread;
  const dnnl_status_t status = dnnl_sgemm(
      s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, 1.0f, a,
      s.transpose_a ? s.m : s.k, b, s.transpose_b ? s.k : s.n, accumulate ? 1.0f : 0.0f, c, s.n);
  if (status != dnnl_success) {
    throw StateError(fmt::format("oneDNN refused a product of [{}, {}] and [{}, {}]: status {}",
                                 s.m, s.k, s.k, s.n, static_cast<int>(status)));
  }
}

}  // namespace unroll
