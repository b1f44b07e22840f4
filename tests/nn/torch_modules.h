// Modules against what PyTorch recorded of them: parameters and inputs from a case, results and all
// gradients compared with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

/// Parameters and inputs of a case, by name.
using Sources = std::map<std::string, Variable>;

/// Gives the parameters the values of the case, and puts them and its inputs on the tape. A case
/// that leaves out a parameter fails.
inline Sources sources_on(Tape& tape, const nlohmann::json& c, const ParameterSet& parameters) {
  Sources sources;
  std::size_t filled = 0;
  for (const auto& [name, record] : c.at("sources").items()) {
    const Tensor value = tensor_from(record).to(parameters.dtype());
    if (parameters.contains(name)) {
      parameters.at(name).assign(value);
      sources[name] = tape.use(parameters.at(name));
      ++filled;
    } else {
      sources[name] = tape.input(value);
    }
  }
  REQUIRE(filled == parameters.size());
  return sources;
}

/// Compares sums of all elements with random signs, in which errors add up as in a random walk.
inline void check_sums(const Tensor& got, const nlohmann::json& expected, double absolute,
                       double relative) {
  REQUIRE(got.shape() == Shape(expected.at("shape").get<std::vector<std::int64_t>>()));
  const double element = absolute + relative * expected.at("rms").get<double>();
  for (std::uint64_t k = 0; k < 3; ++k) {
    double sum = 0;
    for (std::int64_t i = 0; i < got.size(); ++i) {
      sum += mix(k, static_cast<std::uint64_t>(i)) >> 63 != 0 ? got.at(i) : -got.at(i);
    }
    const double error = std::abs(sum - expected.at("sums")[k].get<double>());
    CHECK(error <= 3 * element * std::sqrt(double(got.size())));
  }
}

/// Compares results, and the gradients that the case's cotangents of them give to all sources.
/// `steps`: how many steps errors of float32 can add up over.
inline void check_results(Tape& tape, const nlohmann::json& c, const Sources& sources,
                          const Variables& results, Dtype dtype, double steps) {
  const auto check = [&](const Tensor& got, const nlohmann::json& expected) {
    const bool single = dtype == Dtype::float32;
    if (expected.contains("sums")) {
      check_sums(got, expected, single ? 1e-5 : 1e-12, single ? 1.3e-6 * std::sqrt(steps) : 1e-12);
    } else if (single) {
      check_close_in_float32(got, tensor_from(expected), steps);
    } else {
      check_close(got, tensor_from(expected), 1e-12);
    }
  };
  REQUIRE(results.size() == c.at("results").size());
  Variables cotangents, wrt;
  for (std::size_t i = 0; i < results.size(); ++i) {
    check(results[i].value(), c.at("results")[i]);
    cotangents.push_back(tape.input(tensor_from(c.at("cotangents")[i]).to(dtype)));
  }
  for (const auto& [name, source] : sources) wrt.push_back(source);
  const auto gradients = vector_jacobian_product(results, cotangents, wrt);
  std::size_t i = 0;
  for (const auto& [name, source] : sources) {
    INFO("gradient of " << name);
    check(gradients[i++].value(), c.at("gradients").at(name));
  }
}

/// The cases in `file` beside the test `test`.
inline nlohmann::json recorded_cases(const char* test, const char* file) {
  std::ifstream stream(std::filesystem::path(test).parent_path() / file);
  return nlohmann::json::parse(stream).at("cases");
}

/// x with its first two axes swapped if `batch_first`: cases are time first.
inline Variable laid_out(const Variable& x, bool batch_first) {
  return batch_first ? transpose(x, 0, 1) : x;
}

}  // namespace unroll::testing
