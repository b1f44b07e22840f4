// The corpora in metric_cases.json with the figures that sacreBLEU gave them.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

struct MetricCase {
  std::string name;
  std::vector<std::string> hypotheses;
  std::vector<std::string> references;
  nlohmann::json expected;
};

inline std::vector<MetricCase> metric_cases() {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "metric_cases.json");
  const nlohmann::json record = nlohmann::json::parse(file);
  std::vector<MetricCase> cases;
  for (const auto& corpus : record.at("corpora")) {
    cases.push_back({corpus.at("name"), corpus.at("hypotheses"), corpus.at("references"), corpus});
  }
  return cases;
}
