// Modules against what PyTorch recorded of them: parameters and inputs from a case, results and all
// gradients compared with it.
#pragma once

#include <map>
#include <string>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape.h>
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

/// Compares results, and the gradients that the case's cotangents of them give to all sources.
inline void check_results(Tape& tape, const nlohmann::json& c, const Sources& sources,
                          const Variables& results, Dtype dtype, double tolerance) {
  REQUIRE(results.size() == c.at("results").size());
  Variables cotangents, wrt;
  for (std::size_t i = 0; i < results.size(); ++i) {
    check_close(results[i].value(), tensor_from(c.at("results")[i]), tolerance);
    cotangents.push_back(tape.input(tensor_from(c.at("cotangents")[i]).to(dtype)));
  }
  for (const auto& [name, source] : sources) wrt.push_back(source);
  const auto gradients = vector_jacobian_product(results, cotangents, wrt);
  std::size_t i = 0;
  for (const auto& [name, source] : sources) {
    INFO("gradient of " << name);
    check_close(gradients[i++].value(), tensor_from(c.at("gradients").at(name)), tolerance);
  }
}

}  // namespace unroll::testing
