// The corpora of make_metric_cases.py with the figures that sacreBLEU gave them, which are in
// metric_cases.json: some recorded there too, and many that are generated here as there.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unroll/autograd/random.h>

struct MetricCase {
  std::string name;
  std::vector<std::string> hypotheses;
  std::vector<std::string> references;
  nlohmann::json expected;
};

inline nlohmann::json metric_records() {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "metric_cases.json");
  return nlohmann::json::parse(file);
}

inline std::vector<MetricCase> metric_cases() {
  const nlohmann::json records = metric_records();
  std::vector<MetricCase> cases;
  for (const auto& corpus : records.at("corpora")) {
    cases.push_back({corpus.at("name"), corpus.at("hypotheses"), corpus.at("references"), corpus});
  }
  return cases;
}

/// generated_corpus of make_metric_cases.py, of words and what joins them.
inline MetricCase generated_case(std::uint64_t seed, const std::vector<std::string>& words,
                                 const std::vector<std::string>& joints,
                                 const nlohmann::json& expected) {
  MetricCase c{"generated " + std::to_string(seed), {}, {}, expected};
  std::uint64_t count = 0;
  const auto below = [&](std::uint64_t bound) { return unroll::mix(seed, ++count) % bound; };
  const auto part = [&](const std::vector<std::string>& of) { return of[below(of.size())]; };
  const std::uint64_t sentences = 1 + below(12), noise = below(100);
  for (std::uint64_t s = 0; s < sentences; ++s) {
    std::string& hypothesis = c.hypotheses.emplace_back();
    std::string& reference = c.references.emplace_back();
    for (std::uint64_t left = below(24); left > 0; --left) {
      const std::string word = part(words), joint = part(joints);
      reference += word + joint;
      if (below(100) >= noise) {
        hypothesis += word + joint;
        continue;
      }
      const std::uint64_t change = below(4);
      if (change == 1) hypothesis += part(words) + joint;
      if (change == 2) hypothesis += word + joint + word + joint;
      if (change == 3) hypothesis += word;
    }
  }
  return c;
}

inline std::vector<MetricCase> generated_cases() {
  const nlohmann::json records = metric_records();
  std::vector<MetricCase> cases;
  for (const auto& expected : records.at("generated")) {
    cases.push_back(generated_case(cases.size(), records.at("parts").at("words"),
                                   records.at("parts").at("joints"), expected));
  }
  return cases;
}
