// Timing by the steady clock, and Linux's accounts of memory.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <unroll/bench/heap.h>
#include <unroll/bench/measure.h>

namespace unroll::bench {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

double timed_step(Workload& workload) {
  const auto begin = Clock::now();
  workload.step();
  return milliseconds(begin, Clock::now());
}

}  // namespace

Timing measure(Workload& workload, double seconds) {
  constexpr std::size_t kMost = 100'000;
  Timing timing;
  std::vector<double> times;
  times.reserve(kMost);  // not to be counted among the heap calls of the workload
  timing.first = timed_step(workload);
  for (int i = 0; i < 2; ++i) workload.step();
  const std::uint64_t calls = heap_calls();
  const auto begin = Clock::now();
  while (times.size() < kMost &&
         (times.size() < 3 || milliseconds(begin, Clock::now()) < 1e3 * seconds)) {
    times.push_back(timed_step(workload));
  }
  timing.steps = static_cast<int>(times.size());
  timing.heap_calls = static_cast<double>(heap_calls() - calls) / timing.steps;
  std::sort(times.begin(), times.end());
  timing.minimum = times.front();
  timing.median = times[times.size() / 2];
  return timing;
}

Resident resident() {
  Resident result;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) result.now = 1024 * std::stoull(line.substr(6));
    if (line.rfind("VmHWM:", 0) == 0) result.peak = 1024 * std::stoull(line.substr(6));
  }
  return result;
}

void reset_peak() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << 5;
}

}  // namespace unroll::bench
