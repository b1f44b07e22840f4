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

/// Makes `least` steps to warm up, and then steps for `seconds`, but at least `least`; median,
/// minimum and heap calls are of the latter. The engine is warm after two steps, caches after one.
Timing measure(Workload& workload, double seconds, int least);

/// Two workloads in turn, round after round, by the processor time of the program: other programs
/// on the machine take time from both alike.
struct InTurn {
  double first = 0, second = 0;  ///< milliseconds per step, medians of the rounds
  double ratio = 0;              ///< second / first, median of the rounds
};
/// Each round gives each of them about `seconds`. Both are warm before the first.
InTurn measure_in_turn(Workload& first, Workload& second, int rounds, double seconds);

/// The memory of this process, from the system. 0 where the system does not say.
struct Resident {
  std::size_t now = 0, peak = 0;  ///< bytes
};
Resident resident();
/// From here on the peak is counted afresh.
void reset_peak();

}  // namespace unroll::bench
