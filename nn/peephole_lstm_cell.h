// PeepholeLSTMCell    [i, f, g, o] = W_ih x + b_ih + W_hh h + b_hh
//                     c' = sigmoid(f + p_f c) c + sigmoid(i + p_i c) tanh(g)
//                     h' = sigmoid(o + p_o c') tanh(c')          (Gers and Schmidhuber 2000)
#pragma once

#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct PeepholeLSTMCellOptions {
  RecurrentWeightOptions weights = {};
  Scope::Initializer peephole = {};  ///< empty: as the weights
};

/// Long short-term memory whose gates look at the memory. Parameters are those of LSTMCell and
/// "peephole" [3 hidden]: p_i, p_f, p_o.
struct PeepholeLSTMCell {
  using Options = PeepholeLSTMCellOptions;
  struct State {
    Variable h, c;
  };
  RecurrentWeights weights;
  Parameter peephole;

  PeepholeLSTMCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                   const Options& options = {}) try
      : weights(scope, 4, in, hidden, options.weights),
        peephole(scope.parameter(
            "peephole" + options.weights.suffix, {3 * hidden},
            options.peephole ? options.peephole : RecurrentWeights::usual(hidden))) {
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "PeepholeLSTMCell");
  }

  State initial_state(const Variable& like, std::int64_t batch) const {
    return {weights.zeros(like, batch), weights.zeros(like, batch)};
  }

  /// x [B, in], h and c [B, hidden]
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return recorded({x, state.h, state.c}, at, "PeepholeLSTMCell", [&]() -> State {
      weights.expect_fitting(x, state.h);
      const Variable gates = weights.from_input(x) + weights.from_hidden(state.h);
      const Variable p = use_like(x, peephole);
      const Variable i = sigmoid(weights.gate(gates, 0) + weights.gate(p, 0) * state.c);
      const Variable f = sigmoid(weights.gate(gates, 1) + weights.gate(p, 1) * state.c);
      const Variable c = f * state.c + i * tanh(weights.gate(gates, 2));
      const Variable o = sigmoid(weights.gate(gates, 3) + weights.gate(p, 2) * c);
      return {o * tanh(c), c};
    });
  }
};

}  // namespace unroll::nn
