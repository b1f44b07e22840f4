// Tables by fmt, JSON by nlohmann.
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unroll/bench/report.h>

namespace unroll::bench {

namespace {

/// "W9/T" of "W9/T/400": what comes before the last part.
std::string family_of(const std::string& name) { return name.substr(0, name.rfind('/')); }

/// The slope of the line of least squares through (log x, log time).
double exponent_of(const std::vector<const Result*>& series) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (const Result* result : series) {
    const double x = std::log(result->entry.x), y = std::log(result->timing.median);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

std::string or_dash(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

}  // namespace

void print_heading() {
  fmt::print("{:<30} {:>3} {:>10} {:>10} {:>8} {:>7} {:>9} {:>9} {:>9} {:>10}\n", "workload", "thr",
             "median ms", "min ms", "GFLOP/s", "of peak", "tokens/s", "tape MB", "RSS MB",
             "heap calls");
}

void print_line(const Result& r) {
  fmt::print("{:<30} {:>3} {:>10.4g} {:>10.4g} {:>8} {:>7} {:>9} {:>9.2f} {:>9.1f} {:>10.6g}\n",
             r.entry.name, r.threads, r.timing.median, r.timing.minimum,
             or_dash(r.gflops(), "{:.1f}"), or_dash(r.gflops() / r.fma_peak, "{:.3f}"),
             or_dash(1e3 * r.cost.tokens / r.timing.median, "{:.4g}"),
             static_cast<double>(r.tape_bytes) * 1e-6, static_cast<double>(r.resident_bytes) * 1e-6,
             r.timing.heap_calls);
  std::fflush(stdout);
}

void print_options_heading() {
  fmt::print("{:<30} {:>11} {:>11} {:>7} {:>11} {:>11}\n", "workload", "default ms", "options ms",
             "ratio", "default MB", "options MB");
}

void print_options_line(const OptionsResult& r) {
  fmt::print("{:<30} {:>11.4g} {:>11.4g} {:>7.3f} {:>11.2f} {:>11.2f}\n", r.name, r.timing.first,
             r.timing.second, r.timing.ratio, static_cast<double>(r.default_bytes) * 1e-6,
             static_cast<double>(r.bytes) * 1e-6);
  std::fflush(stdout);
}

void print_summary(const std::vector<Result>& results) {
  std::map<std::string, std::vector<const Result*>> series, threads;
  for (const Result& result : results) {
    const std::string family = family_of(result.entry.name);
    if (result.entry.x > 0) series[family].push_back(&result);
    if (result.hash != 0) threads[family].push_back(&result);
  }
  for (const auto& [family, points] : series) {
    if (points.size() >= 3) fmt::print("{}: exponent {:.3f}\n", family, exponent_of(points));
  }
  for (const auto& [family, runs] : threads) {
    bool equal = true;
    for (const Result* run : runs) equal = equal && run->hash == runs.front()->hash;
    fmt::print("{}: bits {}; speed-up", family, equal ? "equal" : "DIFFER");
    for (const Result* run : runs) {
      fmt::print("  {}: {:.2f}", run->threads, runs.front()->timing.median / run->timing.median);
    }
    fmt::print("\n");
  }
}

std::string to_json(const std::vector<Result>& results) {
  nlohmann::json list = nlohmann::json::array();
  for (const Result& r : results) {
    nlohmann::json line = {
        {"workload", r.entry.name},     {"what", r.entry.what},
        {"threads", r.threads},         {"median_ms", r.timing.median},
        {"min_ms", r.timing.minimum},   {"first_ms", r.timing.first},
        {"steps", r.timing.steps},      {"heap_calls_per_step", r.timing.heap_calls},
        {"tape_bytes", r.tape_bytes},   {"resident_bytes", r.resident_bytes},
        {"fma_peak_gflops", r.fma_peak}};
    if (r.tape_nodes > 0) line["tape_nodes"] = r.tape_nodes;
    if (r.cost.flop > 0) line["gflops"] = r.gflops();
    if (r.cost.tokens > 0) line["tokens_per_second"] = 1e3 * r.cost.tokens / r.timing.median;
    if (r.hash != 0) line["hash"] = fmt::format("{:016x}", r.hash);
    list.push_back(line);
  }
  return list.dump(2);
}

}  // namespace unroll::bench
