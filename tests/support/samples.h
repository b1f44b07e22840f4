// Samples: example calls of every op, from which the all-ops test makes gradient checks.
#pragma once

#include <string>
#include <vector>

#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/random.h>

namespace unroll::testing {

/// One way to call an op, and inputs to check its gradient at.
struct Sample {
  std::string op;
  Function call;
  std::vector<Tensor> inputs;
  bool second_order = true;
};

/// Every sample registered so far; registration happens at namespace scope of the test files.
inline std::vector<Sample>& all_samples() {
  static std::vector<Sample> samples;
  return samples;
}

/// Ops that have no derivative, and why.
inline std::vector<std::pair<std::string, std::string>>& ops_without_gradient() {
  static std::vector<std::pair<std::string, std::string>> ops;
  return ops;
}

struct SampleOptions {
  bool second_order = true;
};

/// Registers samples of `op`: one call, several lists of inputs.
struct Samples {
  Samples(const std::string& op, const Function& call,
          const std::vector<std::vector<Tensor>>& inputs, SampleOptions options = {}) {
    for (const auto& list : inputs) {
      all_samples().push_back({op, call, list, options.second_order});
    }
  }
};

struct NoGradientOp {
  NoGradientOp(const std::string& op, const std::string& reason) {
    ops_without_gradient().emplace_back(op, reason);
  }
};

/// Different numbers at every call, uniform in [low, high), float64.
inline Tensor uniform(const Shape& shape, double low = -2, double high = 2) {
  static std::uint64_t seed = 1000;
  return random_uniform(shape, ++seed, low, high);
}

/// Like `uniform`, but no element is nearer than `gap` to 0: for ops with a kink there.
inline Tensor away_from_zero(const Shape& shape, double gap = 0.1, double high = 2) {
  Tensor result = uniform(shape, gap, high);
  const Tensor signs = uniform(shape);
  auto out = result.mutable_data<double>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (signs.data<double>()[i] < 0) out[i] = -out[i];
  }
  return result;
}

}  // namespace unroll::testing
