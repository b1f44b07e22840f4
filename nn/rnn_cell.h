// RNNCell    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)                            (Elman 1990)
#pragma once

#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

enum class RNNActivation : std::uint8_t { tanh, relu };

struct RNNCellOptions {
  RNNActivation activation = RNNActivation::tanh;
  RecurrentWeightOptions weights = {};
};

/// The simplest cell. Parameters, first values and equations are PyTorch's.
struct RNNCell {
  using Options = RNNCellOptions;
  RecurrentWeights weights;
  RNNActivation activation;

  RNNCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
          const Options& options = {})
      : weights(scope, 1, in, hidden, options.weights), activation(options.activation) {}

  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return weights.zeros(like, batch);
  }

  /// x [B, in], h [B, hidden] -> [B, hidden]
  Variable step(const Variable& x, const Variable& h, Location at = Location::current()) const {
    return recorded({x, h}, at, "RNNCell", [&]() -> Variable {
      weights.expect_fitting(x, h);
      const Variable sum = weights.from_input(x) + weights.from_hidden(h);
      return activation == RNNActivation::tanh ? tanh(sum) : relu(sum);
    });
  }
};

}  // namespace unroll::nn
