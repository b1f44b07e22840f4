// The runs in optimizer_cases.json that PyTorch's optimisers did, and parameters to repeat them on.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/optim/optimizer.h>
#include <unroll/tests/support/catch.h>

inline const nlohmann::json& optimizer_cases() {
  static const nlohmann::json cases = [] {
    const std::filesystem::path here = __FILE__;
    std::ifstream file(here.parent_path() / "optimizer_cases.json");
    return nlohmann::json::parse(file);
  }();
  return cases;
}

inline unroll::Dtype dtype_from(const nlohmann::json& name) {
  return name == "float32" ? unroll::Dtype::float32 : unroll::Dtype::float64;
}

/// The recorded tensor of parameter `name`.
inline unroll::Tensor recorded(const nlohmann::json& values, const std::string& name,
                               unroll::Dtype dtype) {
  const std::vector<std::int64_t> extents = optimizer_cases().at("shapes").at(name);
  const std::vector<double> numbers = values.at(name);
  return unroll::Tensor(unroll::Shape(extents), numbers).to(dtype);
}

/// The parameters of the cases with their initial values.
inline unroll::ParameterSet recorded_parameters(unroll::Dtype dtype) {
  unroll::ParameterSet set(0, dtype);
  for (const auto& [name, shape] : optimizer_cases().at("shapes").items()) {
    set.create(name, recorded(optimizer_cases().at("initial"), name, dtype));
  }
  return set;
}

/// The gradients of one step; null is absent.
inline unroll::Gradients recorded_gradients(const unroll::ParameterSet& set,
                                            const nlohmann::json& values) {
  unroll::Gradients gradients(set);
  for (const unroll::Parameter& p : set) {
    if (values.at(p.name()).is_null()) continue;
    gradients.set(p.index(), {recorded(values, p.name(), p.dtype()), {}});
  }
  return gradients;
}

/// Every element agrees to the rounding of its dtype.
inline void check_close(const unroll::Tensor& actual, const nlohmann::json& expected) {
  REQUIRE(actual.size() == static_cast<std::int64_t>(expected.is_array() ? expected.size() : 1));
  const bool single = actual.dtype() == unroll::Dtype::float32;
  for (std::int64_t i = 0; i < actual.size(); ++i) {
    INFO("element " << i);
    const double value = expected[static_cast<std::size_t>(i)];
    CHECK(actual.at(i) ==
          Approx(value).epsilon(single ? 1e-6 : 1e-13).margin(single ? 5e-7 : 1e-14));
  }
}

/// Repeats a recorded run with `optimizer`, which was made for `set`, and compares values and state
/// with PyTorch's.
inline void check_run(const nlohmann::json& run, const unroll::ParameterSet& set,
                      unroll::optim::Optimizer& optimizer) {
  const nlohmann::json& gradients = optimizer_cases().at("gradients");
  const auto lr_change = optimizer_cases().at("lr_change").get<std::size_t>();
  for (std::size_t step = 0; step < gradients.size(); ++step) {
    INFO("after step " << step + 1);
    if (step == lr_change) optimizer.set_lr(optimizer.lr() / 2);
    optimizer.step(recorded_gradients(set, gradients[step]));
    const auto snapshot = run.at("values").find(std::to_string(step + 1));
    if (snapshot == run.at("values").end()) continue;
    for (const unroll::Parameter& p : set) {
      INFO(p.name());
      check_close(p.value(), snapshot->at(p.name()));
    }
  }
  const std::map<std::string, unroll::Tensor> state = optimizer.state();
  CHECK(state.at("step").item() == double(gradients.size()));
  for (const auto& [name, expected] : run.at("state").items()) {
    INFO(name);
    REQUIRE(state.contains(name));
    check_close(state.at(name), expected);
  }
}
