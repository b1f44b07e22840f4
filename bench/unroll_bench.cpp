// The benchmark program: ./run bench [OPTIONS], or ./run bench --help.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <unroll/autograd/random.h>
#include <unroll/bench/fma_peak.h>
#include <unroll/bench/report.h>
#include <unroll/bench/serve.h>

namespace {

using namespace unroll;
using namespace unroll::bench;

std::uint64_t hash_of_results(Workload& workload) {
  std::uint64_t hash = 0;
  for (const auto& [name, tensor] : workload.example().tensors) {
    if (name != "loss" && name.rfind("gradient:", 0) != 0) continue;
    hash = mix(hash, hash_of({static_cast<const char*>(tensor.raw()), tensor.bytes()}));
  }
  return hash;
}

Result run(const Entry& entry, Setting setting, double seconds) {
  if (entry.threads > 0) setting.threads = entry.threads;
  if (entry.shards > 0) setting.shards = entry.shards;
  const std::unique_ptr<Workload> workload = entry.make(setting);
  Result result;
  result.entry = entry;
  result.cost = workload->cost();
  result.threads = setting.threads;
  result.fma_peak = fma_peak(setting.threads);
  reset_peak();
  const std::size_t before = resident().now;
  result.timing = measure(*workload, seconds, 3);
  const std::size_t peak = resident().peak;
  result.resident_bytes = peak > before ? peak - before : 0;
  result.fma_peak = std::max(result.fma_peak, fma_peak(setting.threads));
  result.tape_bytes = workload->tape_bytes();
  result.tape_nodes = workload->tape_nodes();
  if (entry.shards > 0) result.hash = hash_of_results(*workload);
  return result;
}

/// What the options make of a workload.
OptionsResult compare(const Entry& entry, Setting setting, int rounds, double seconds) {
  if (entry.threads > 0) setting.threads = entry.threads;
  if (entry.shards > 0) setting.shards = entry.shards;
  Setting defaults = setting;
  defaults.tape = {};
  const std::unique_ptr<Workload> first = entry.make(defaults), second = entry.make(setting);
  const InTurn timing = measure_in_turn(*first, *second, rounds, seconds);
  return {entry.name, timing, first->tape_bytes(), second->tape_bytes()};
}

const std::map<std::string, bool Passes::*> kPasses = {
    {"batch", &Passes::batch}, {"fuse", &Passes::fuse},
    {"place", &Passes::place}, {"accumulate", &Passes::accumulate},
    {"pack", &Passes::pack},   {"cache", &Passes::cache},
    {"reuse", &Passes::reuse}};

/// "W1" and "W1/50" begin "W1/50/32/256", but not "W10/50/64/512/1".
bool begins(const std::string& name, const std::string& prefix) {
  return name == prefix || name.rfind(prefix.back() == '/' ? prefix : prefix + '/', 0) == 0;
}

/// Those whose name begins with one of `prefixes`; without any, all but the peers.
std::vector<Entry> chosen(const std::vector<Entry>& entries,
                          const std::vector<std::string>& prefixes) {
  std::vector<Entry> result;
  for (const Entry& entry : entries) {
    const bool named = std::any_of(
        prefixes.begin(), prefixes.end(),
        [&](const std::string& prefix) { return !prefix.empty() && begins(entry.name, prefix); });
    if (named || (prefixes.empty() && !begins(entry.name, "oneDNN"))) result.push_back(entry);
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Benchmarks of unroll: loss and gradients, in milliseconds per step");
  bool list = false, json = false, serving = false;
  std::vector<std::string> prefixes;
  std::vector<std::string> without;
  double seconds = 0.5, budget = 0;
  int rounds = 0;
  Setting setting;
  if (const char* data = std::getenv("UNROLL_DATA")) setting.data = data;
  app.add_flag("--list", list, "only say what there is");
  app.add_option("--workload", prefixes, "begin of a name, W1 say; may be given again");
  app.add_option("--threads", setting.threads, "the batch is cut into as many shards")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", seconds, "of steps for each workload");
  app.add_flag("--bf16", setting.tape.bf16, "products of bfloat16, where the CPU has them");
  app.add_option("--without", without, "a pass that is left out, cache say; may be given again")
      ->check(CLI::IsMember(kPasses));
  app.add_option("--memory-budget", budget, "TapeOptions::memory_budget, in MiB")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--rounds", rounds,
                 "times the options above in turn with the defaults, so many rounds of --seconds");
  app.add_option("--data", setting.data,
                 "folder with multi30k/ and ptb/; else UNROLL_DATA, else generated data");
  app.add_flag("--json", json, "JSON instead of the table");
  app.add_flag("--serve", serving, "take commands from standard input (for compare.py)");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& pass : without) setting.tape.passes.*kPasses.at(pass) = false;
  setting.tape.memory_budget = static_cast<std::size_t>(budget * 0x1p20);

  try {
    const std::vector<Entry> entries = all_entries();
    if (serving) {
      serve(entries, setting);
      return 0;
    }
    const std::vector<Entry> wanted = chosen(entries, prefixes);
    if (wanted.empty()) {
      std::cerr << "unroll_bench: no such workload; --list names them\n";
      return 2;
    }
    if (rounds > 0) {
      print_options_heading();
      for (const Entry& entry : wanted) {
        print_options_line(compare(entry, setting, rounds, seconds));
      }
      return 0;
    }
    std::vector<Result> results;
    if (!list && !json) print_heading();
    for (const Entry& entry : wanted) {
      if (list) {
        fmt::print("{:<30} {}\n", entry.name, entry.what);
        continue;
      }
      results.push_back(run(entry, setting, seconds));
      if (!json) print_line(results.back());
    }
    if (json) fmt::print("{}\n", to_json(results));
    if (!json && !list) print_summary(results);
  } catch (const std::exception& error) {
    std::cerr << "unroll_bench: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
