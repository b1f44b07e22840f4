// Cells whose products are normalised (Ba, Kiros, Hinton 2016), N(y) = (y - mean) / deviation:
// LayerNormLSTMCell    [i, f, g, o] = N(W_ih x) gain_ih + b_ih + N(W_hh h) gain_hh + b_hh
//                      c' = sigmoid(f) c + sigmoid(i) tanh(g)
//                      h' = sigmoid(o) tanh(N(c') gain_c + b_c)
// LayerNormGRUCell     [r, z, n] of the input: N(W_ih x) gain_ih + b_ih;  of the state alike;
//                      [r, z] and n are normalised apart, the rest is as in GRUCell
#pragma once

#include <string>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

struct LayerNormCellOptions {
  RecurrentWeightOptions weights = {};  ///< an empty bias stands for zeros
  double epsilon = 1e-5;                ///< added to the variance
};

/// RecurrentWeights with a gain for each product, 1 at first. Throws ValueError without biases.
struct NormalizedWeights {
  RecurrentWeights weights;
  Parameter gain_ih, gain_hh;  ///< [gates * hidden]
  double epsilon;

  NormalizedWeights(const LayerScope& scope, std::int64_t gates, std::int64_t in,
                    std::int64_t hidden, const LayerNormCellOptions& options) try
      : weights(scope, gates, in, hidden, checked(options)),
        gain_ih(
            scope.parameter("gain_ih" + options.weights.suffix, {gates * hidden}, init::ones())),
        gain_hh(
            scope.parameter("gain_hh" + options.weights.suffix, {gates * hidden}, init::ones())),
        epsilon(options.epsilon) {
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "layer-norm cell");
  }

  /// x W_ih^T and h W_hh^T as they are.
  Variable from_input(const Variable& x) const { return linear(x, weights.weight_ih); }
  Variable from_hidden(const Variable& h) const { return linear(h, weights.weight_hh); }
  /// Gates [begin, end) of such a product, normalised together.
  Variable normalized(const Variable& product, const Parameter& gain, const Parameter& bias,
                      std::int64_t begin, std::int64_t end) const {
    const auto part = [&](const Variable& v) {
      return slice(v, -1, begin * weights.hidden, end * weights.hidden);
    };
    return layer_norm(part(product), part(use_like(product, gain)), part(use_like(product, bias)),
                      epsilon);
  }

 private:
  static RecurrentWeightOptions checked(const LayerNormCellOptions& given) {
    detail::expect_epsilon("layer-norm cell", given.epsilon);
    RecurrentWeightOptions options = given.weights;
    if (!options.bias) {
      throw ValueError("layer-norm cell: got bias = false; expected biases for its normalisation");
    }
    if (!options.bias_ih) options.bias_ih = init::zeros();
    if (!options.bias_hh) options.bias_hh = init::zeros();
    return options;
  }
};

/// Parameters are those of LSTMCell, and "gain_ih" and "gain_hh" [4 hidden], "gain_c" and "bias_c"
/// [hidden].
struct LayerNormLSTMCell {
  using Options = LayerNormCellOptions;
  struct State {
    Variable h, c;
  };
  NormalizedWeights weights;
  Parameter gain_c, bias_c;

  LayerNormLSTMCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                    const Options& options = {}) try
      : weights(scope, 4, in, hidden, options),
        gain_c(scope.parameter("gain_c" + options.weights.suffix, {hidden}, init::ones())),
        bias_c(scope.parameter("bias_c" + options.weights.suffix, {hidden}, init::zeros())) {
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "LayerNormLSTMCell");
  }

  State initial_state(const Variable& like, std::int64_t batch) const {
    return {weights.weights.zeros(like, batch), weights.weights.zeros(like, batch)};
  }

  /// x [B, in], h and c [B, hidden]
  State step(const Variable& x, const State& state, Location at = Location::current()) const {
    return recorded({x, state.h, state.c}, at, "LayerNormLSTMCell", [&]() -> State {
      weights.weights.expect_fitting(x, state.h);
      const RecurrentWeights& w = weights.weights;
      const Variable gates =
          weights.normalized(weights.from_input(x), weights.gain_ih, w.bias_ih, 0, 4) +
          weights.normalized(weights.from_hidden(state.h), weights.gain_hh, w.bias_hh, 0, 4);
      const Variable i = sigmoid(w.gate(gates, 0)), f = sigmoid(w.gate(gates, 1));
      const Variable g = tanh(w.gate(gates, 2)), o = sigmoid(w.gate(gates, 3));
      const Variable c = f * state.c + i * g;
      return {o * tanh(layer_norm(c, gain_c, bias_c, weights.epsilon)), c};
    });
  }
};

/// Parameters are those of GRUCell, and "gain_ih" and "gain_hh" [3 hidden].
struct LayerNormGRUCell {
  using Options = LayerNormCellOptions;
  NormalizedWeights weights;

  LayerNormGRUCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                   const Options& options = {})
      : weights(scope, 3, in, hidden, options) {}

  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return weights.weights.zeros(like, batch);
  }

  /// x [B, in], h [B, hidden] -> [B, hidden]
  Variable step(const Variable& x, const Variable& h, Location at = Location::current()) const {
    return step(x, h, h, at);
  }
  /// The same with `read` in place of h in the products (see ReadsApart).
  Variable step(const Variable& x, const Variable& h, const Variable& read,
                Location at = Location::current()) const {
    return recorded({x, h, read}, at, "LayerNormGRUCell", [&]() -> Variable {
      weights.weights.expect_fitting(x, read);
      const RecurrentWeights& w = weights.weights;
      const Variable of_x = weights.from_input(x), of_h = weights.from_hidden(read);
      const auto normalized_x = [&](std::int64_t begin, std::int64_t end) {
        return weights.normalized(of_x, weights.gain_ih, w.bias_ih, begin, end);
      };
      const auto normalized_h = [&](std::int64_t begin, std::int64_t end) {
        return weights.normalized(of_h, weights.gain_hh, w.bias_hh, begin, end);
      };
      const Variable gates = sigmoid(normalized_x(0, 2) + normalized_h(0, 2));
      const Variable candidate = tanh(normalized_x(2, 3) + w.gate(gates, 0) * normalized_h(2, 3));
      return candidate + w.gate(gates, 1) * (h - candidate);
    });
  }
};

}  // namespace unroll::nn
