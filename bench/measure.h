// Timing of one workload.
#pragma once

#include <cstddef>

#include <unroll/bench/workload.h>

namespace unroll::bench {

struct Timing {
  double median = 0, minimum = 0, first = 0;  ///< milliseconds per step
  int steps = 0;
  double heap_calls = 0;  ///< per step
};

/// Makes the first step, two more to warm up, and then steps for `seconds`, but at least 3; median,
/// minimum and heap calls are of the latter.
Timing measure(Workload& workload, double seconds);

/// The memory of this process, from the system. 0 where the system does not say.
struct Resident {
  std::size_t now = 0, peak = 0;  ///< bytes
};
Resident resident();
/// From here on the peak is counted afresh.
void reset_peak();

}  // namespace unroll::bench
