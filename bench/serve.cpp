// The commands of serve.h.
#include <iostream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unroll/autograd/error.h>
#include <unroll/bench/fma_peak.h>
#include <unroll/bench/measure.h>
#include <unroll/bench/serve.h>

namespace unroll::bench {

namespace {

using Json = nlohmann::json;

std::string compiler() {
#if defined(__clang__)
  return __VERSION__;  // begins with the name
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

class Server {
 public:
  Server(const std::vector<Entry>& entries, const Setting& setting)
      : entries_(entries), setting_(setting) {}

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string command, name, file;
    double seconds = 0;
    int threads = 1;
    words >> command;
    if (command == "make" && words >> name >> file >> threads) return make(name, file, threads);
    if (command == "run" && words >> name >> seconds >> threads) {
      const Timing timing = measure(workload(name, threads), seconds);
      return {{"ms", timing.median}, {"min", timing.minimum}, {"steps", timing.steps}};
    }
    if (command == "peak" && words >> threads) return {{"gflops", fma_peak(threads)}};
    if (command == "about") return {{"compiler", compiler()}, {"onednn", onednn_version()}};
    if (command == "clear") {
      made_.clear();
      return Json::object();
    }
    throw ValueError(fmt::format("serve: got '{}'; expected a command of serve.h", line));
  }

 private:
  Json make(const std::string& name, const std::string& file, int threads) {
    const Entry& entry = entry_of(name);
    Json result = {{"flop", entry.flop}, {"tokens", entry.tokens}, {"what", entry.what}};
    const train::TensorFile example = workload(name, threads).example();
    if (!example.tensors.empty()) {
      train::save_safetensors(file, example);
    } else {
      const Difference difference = workload(name, threads).load(train::load_safetensors(file));
      result["difference"] = difference.relative;
      result["where"] = difference.where;
    }
    return result;
  }

  const Entry& entry_of(const std::string& name) const {
    for (const Entry& entry : entries_) {
      if (entry.name == name) return entry;
    }
    throw ValueError(fmt::format("serve: no workload is called '{}'", name));
  }

  /// A workload is made anew for every number of threads, since its data are cut accordingly.
  Workload& workload(const std::string& name, int threads) {
    auto& workload = made_[{name, threads}];
    if (!workload) {
      Setting setting = setting_;
      setting.threads = threads;
      workload = entry_of(name).make(setting);
    }
    return *workload;
  }

  const std::vector<Entry>& entries_;
  Setting setting_;
  std::map<std::pair<std::string, int>, std::unique_ptr<Workload>> made_;
};

}  // namespace

void serve(const std::vector<Entry>& entries, const Setting& setting) {
  Server server(entries, setting);
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = server.answer(line);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;  // flushed: somebody waits
  }
}

}  // namespace unroll::bench
