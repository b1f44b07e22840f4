// GRUCell    [r, z, n] of the input: W_ih x + b_ih;  of the state: W_hh h + b_hh
//            n = tanh(n_x + sigmoid(r_x + r_h) n_h)
//            h' = n + sigmoid(z_x + z_h) (h - n)      (Cho et al. 2014, reset after the product)
#pragma once

#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct GRUCellOptions {
  RecurrentWeightOptions weights = {};
};

/// Gated recurrent unit. Parameters, first values and equations are PyTorch's.
struct GRUCell {
  using Options = GRUCellOptions;
  RecurrentWeights weights;

  GRUCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
          const Options& options = {})
      : weights(scope, 3, in, hidden, options.weights) {}

  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return weights.zeros(like, batch);
  }

  /// x [B, in], h [B, hidden] -> [B, hidden]
  Variable step(const Variable& x, const Variable& h, Location at = Location::current()) const {
    return step(x, h, h, at);
  }
  /// The same with `read` in place of h in the products (see ReadsApart).
  Variable step(const Variable& x, const Variable& h, const Variable& read,
                Location at = Location::current()) const {
    return recorded({x, h, read}, at, "GRUCell", [&]() -> Variable {
      weights.expect_fitting(x, read);
      const Variable of_x = weights.from_input(x), of_h = weights.from_hidden(read);
      const auto gate = [&](const Variable& gates, std::int64_t k) {
        return weights.gate(gates, k);
      };
      const Variable reset = sigmoid(gate(of_x, 0) + gate(of_h, 0));
      const Variable keep = sigmoid(gate(of_x, 1) + gate(of_h, 1));
      const Variable candidate = tanh(gate(of_x, 2) + reset * gate(of_h, 2));
      return candidate + keep * (h - candidate);
    });
  }
};

}  // namespace unroll::nn
