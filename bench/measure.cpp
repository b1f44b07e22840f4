// Timing by the steady clock, and Linux's accounts of memory.
#include <algorithm>
#include <chrono>
#include <ctime>
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

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Steps for `seconds`, one at least: milliseconds of processor time per step.
double processor_time(Workload& workload, double seconds) {
  const std::clock_t begin = std::clock();
  double passed = 0;
  int steps = 0;
  do {
    workload.step();
    ++steps;
    passed = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  } while (passed < seconds);
  return 1e3 * passed / steps;
}

}  // namespace

Timing measure(Workload& workload, double seconds, int least) {
  constexpr std::size_t kMost = 100'000;
  Timing timing;
  std::vector<double> times;
  times.reserve(kMost);  // not to be counted among the heap calls of the workload
  timing.first = timed_step(workload);
  for (int i = 1; i < least; ++i) workload.step();
  const std::uint64_t calls = heap_calls();
  const auto begin = Clock::now();
  while (times.size() < kMost && (times.size() < static_cast<std::size_t>(least) ||
                                  milliseconds(begin, Clock::now()) < 1e3 * seconds)) {
    times.push_back(timed_step(workload));
  }
  timing.steps = static_cast<int>(times.size());
  timing.heap_calls = static_cast<double>(heap_calls() - calls) / timing.steps;
  std::sort(times.begin(), times.end());
  timing.minimum = times.front();
  timing.median = times[times.size() / 2];
  return timing;
}

InTurn measure_in_turn(Workload& first, Workload& second, int rounds, double seconds) {
  std::vector<double> of_first, of_second, ratios;
  for (int i = 0; i < 2; ++i) {
    first.step();
    second.step();
  }
  for (int i = 0; i < rounds; ++i) {
    of_first.push_back(processor_time(first, seconds));
    of_second.push_back(processor_time(second, seconds));
    ratios.push_back(of_second.back() / of_first.back());
  }
  return {median_of(of_first), median_of(of_second), median_of(ratios)};
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
