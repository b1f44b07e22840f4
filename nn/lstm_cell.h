// LSTMCell    [i, f, g, o] = W_ih x + b_ih + W_hh h + b_hh
//             c' = sigmoid(f) c + sigmoid(i) tanh(g)
//             h' = sigmoid(o) tanh(c')        (Hochreiter and Schmidhuber 1997, Gers et al. 2000)
// with a projection,  h' = W_hr (sigmoid(o) tanh(c'))                           (Sak et al. 2014)
#pragma once

#include <optional>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct LSTMCellOptions {
  /// The forget gate's first bias, 1 say, so that the cell remembers before it has learnt to.
  std::optional<double> forget_bias = std::nullopt;
  RecurrentWeightOptions weights = {};
  /// The width of h if it is to be another than that of c: PyTorch's proj_size.
  std::optional<std::int64_t> projection = std::nullopt;
};

/// Long short-term memory. Parameters, first values and equations are PyTorch's. Throws ValueError
/// for a forget_bias without biases.
struct LSTMCell {
  using Options = LSTMCellOptions;
  struct State {
    Variable h, c;
  };
  RecurrentWeights weights;
  Parameter weight_hr;  ///< [projection, hidden], if there is one

  LSTMCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
           const Options& options = {}) try
      : weights(scope, 4, in, hidden, options.projection.value_or(hidden),
                with_forget_bias(options, hidden)) {
    if (options.projection) {
      weight_hr = scope.parameter("weight_hr" + options.weights.suffix,
                                  {*options.projection, hidden}, RecurrentWeights::usual(hidden));
    }
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "LSTMCell");
  }

  State initial_state(const Variable& like, std::int64_t batch) const {
    const std::int64_t width = weight_hr.defined() ? weight_hr.shape()[0] : weights.hidden;
    return {zeros_like(like, {batch, width}), weights.zeros(like, batch)};
  }

  /// x [B, in], h [B, hidden or projection], c [B, hidden]
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return recorded({x, state.h, state.c}, at, "LSTMCell", [&]() -> State {
      weights.expect_fitting(x, state.h);
      const Variable gates = weights.from_input(x) + weights.from_hidden(state.h);
      const Variable i = sigmoid(weights.gate(gates, 0)), f = sigmoid(weights.gate(gates, 1));
      const Variable g = tanh(weights.gate(gates, 2)), o = sigmoid(weights.gate(gates, 3));
      const Variable c = f * state.c + i * g;
      const Variable h = o * tanh(c);
      return {weight_hr.defined() ? linear(h, weight_hr) : h, c};
    });
  }

 private:
  /// The two biases add up: one gets the value, the other 0.
  static RecurrentWeightOptions with_forget_bias(const Options& options, std::int64_t hidden) {
    RecurrentWeightOptions weights = options.weights;
    if (!options.forget_bias) return weights;
    if (!weights.bias) {
      throw ValueError("LSTMCell: got a forget_bias and bias = false; expected one of them");
    }
    const auto usual = RecurrentWeights::usual(hidden);
    weights.bias_ih =
        init::forget_bias(*options.forget_bias, weights.bias_ih ? weights.bias_ih : usual);
    weights.bias_hh = init::forget_bias(0, weights.bias_hh ? weights.bias_hh : usual);
    return weights;
  }
};

}  // namespace unroll::nn
