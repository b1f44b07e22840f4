// What was measured, as a table or as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <unroll/bench/measure.h>

namespace unroll::bench {

struct Result {
  Entry entry;
  Cost cost;
  int threads = 1;
  Timing timing;
  double fma_peak = 0;  ///< GFLOP/s of as many threads, measured just before
  std::size_t tape_bytes = 0, tape_nodes = 0;
  std::size_t resident_bytes = 0;  ///< the peak, above what parameters and inputs take
  std::uint64_t hash = 0;          ///< of loss and gradients; where threads are compared

  double gflops() const { return cost.flop / timing.median * 1e-6; }
};

/// The table, a line for each result.
void print_heading();
void print_line(const Result& result);
/// The fitted exponents of the series, and whether all thread counts gave the same bits.
void print_summary(const std::vector<Result>& results);

/// The table of options against the defaults, a line for each workload.
struct OptionsResult {
  std::string name;
  InTurn timing;  ///< first: with the defaults
  std::size_t default_bytes = 0, bytes = 0;
};
void print_options_heading();
void print_options_line(const OptionsResult& result);

std::string to_json(const std::vector<Result>& results);

}  // namespace unroll::bench
