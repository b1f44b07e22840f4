// CoupledLSTMCell    [i, g, o] = W_ih x + b_ih + W_hh h + b_hh
//                    c' = (1 - sigmoid(i)) c + sigmoid(i) tanh(g)
//                    h' = sigmoid(o) tanh(c')                              (Greff et al. 2017)
#pragma once

#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

struct CoupledLSTMCellOptions {
  RecurrentWeightOptions weights = {};
};

/// Long short-term memory that forgets as much as it takes in: input and forget gate are one.
/// Parameters are named as those of LSTMCell, for three gates.
struct CoupledLSTMCell {
  using Options = CoupledLSTMCellOptions;
  struct State {
    Variable h, c;
  };
  RecurrentWeights weights;

  CoupledLSTMCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                  const Options& options = {})
      : weights(scope, 3, in, hidden, options.weights) {}

  State initial_state(const Variable& like, std::int64_t batch) const {
    return {weights.zeros(like, batch), weights.zeros(like, batch)};
  }

  /// x [B, in], h and c [B, hidden]
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return recorded({x, state.h, state.c}, at, "CoupledLSTMCell", [&]() -> State {
      weights.expect_fitting(x, state.h);
      const Variable gates = weights.from_input(x) + weights.from_hidden(state.h);
      const Variable i = sigmoid(weights.gate(gates, 0)), g = tanh(weights.gate(gates, 1));
      const Variable c = state.c + i * (g - state.c);
      return {sigmoid(weights.gate(gates, 2)) * tanh(c), c};
    });
  }
};

}  // namespace unroll::nn
