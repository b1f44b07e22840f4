// The machine's limit: fused multiply-adds in float32, as many as registers can take.
#pragma once

namespace unroll::bench {

/// GFLOP/s of `threads` threads together, the best of several short runs (about 20 ms), with the
/// widest vectors that this CPU has.
double fma_peak(int threads);

}  // namespace unroll::bench
