// The four parameters that the built-in cells have in common.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

/// Empty initialisers stand for PyTorch's: uniform in +-1/sqrt(hidden).
struct RecurrentWeightOptions {
  std::string suffix = {};  ///< of the parameters' names: "_l0" gives "weight_ih_l0"
  Scope::Initializer weight_ih = {};
  Scope::Initializer weight_hh = {};
  Scope::Initializer bias_ih = {};
  Scope::Initializer bias_hh = {};
  bool bias = true;  ///< false: no biases, as PyTorch's bias=False
};

/// weight_ih [gates * hidden, in], weight_hh [gates * hidden, hidden] and two biases
/// [gates * hidden]: the rows of each gate follow those of the gate before it. If the output is not
/// as wide as the gates, weight_hh is [gates * hidden, output]. Without biases those are undefined.
struct RecurrentWeights {
  std::int64_t hidden = 0;
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;

  RecurrentWeights(const LayerScope& scope, std::int64_t gates, std::int64_t in,
                   std::int64_t hidden_size, const RecurrentWeightOptions& options)
      : RecurrentWeights(scope, gates, in, hidden_size, hidden_size, options) {}
  RecurrentWeights(const LayerScope& scope, std::int64_t gates, std::int64_t in,
                   std::int64_t hidden_size, std::int64_t output,
                   const RecurrentWeightOptions& options) try
      : hidden(hidden_size) {
    detail::expect_sizes("recurrent cell", {{"in", in}, {"hidden", hidden}, {"output", output}});
    const auto create = [&](const char* name, const Shape& shape, const Scope::Initializer& own) {
      return scope.parameter(name + options.suffix, shape, own ? own : usual(hidden));
    };
    weight_ih = create("weight_ih", {gates * hidden, in}, options.weight_ih);
    weight_hh = create("weight_hh", {gates * hidden, output}, options.weight_hh);
    if (!options.bias) return;
    bias_ih = create("bias_ih", {gates * hidden}, options.bias_ih);
    bias_hh = create("bias_hh", {gates * hidden}, options.bias_hh);
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "recurrent cell");
  }

  /// PyTorch's first values.
  static Scope::Initializer usual(std::int64_t size) {
    const double bound = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(size, 1)));
    return init::uniform(-bound, bound);
  }

  /// Throws ShapeError unless x is [batch, in] and h [batch, output], or one row for all.
  void expect_fitting(const Variable& x, const Variable& h) const {
    const Shape of_x = x.shape(), of_h = h.shape();
    const bool fit = of_x.rank() >= 2 && of_x.rank() == of_h.rank() &&
                     of_x.extent(-1) == weight_ih.shape()[1] &&
                     of_h.extent(-1) == weight_hh.shape()[1] &&
                     broadcastable(of_x.without(of_x.rank() - 1), of_h.without(of_h.rank() - 1));
    if (fit) return;
    throw ShapeError("got x " + to_string(of_x) + " and the state " + to_string(of_h) +
                     "; expected [batch, " + std::to_string(weight_ih.shape()[1]) +
                     "] and [batch, " + std::to_string(weight_hh.shape()[1]) + "]");
  }

  /// x W_ih^T + b_ih
  Variable from_input(const Variable& x) const { return linear(x, weight_ih, bias_ih); }
  /// h W_hh^T + b_hh
  Variable from_hidden(const Variable& h) const { return linear(h, weight_hh, bias_hh); }
  /// Gate k of [..., gates * hidden]: [..., hidden].
  Variable gate(const Variable& gates, std::int64_t k) const {
    return slice(gates, -1, k * hidden, (k + 1) * hidden);
  }
  Variable zeros(const Variable& like, std::int64_t batch) const {
    return zeros_like(like, {batch, hidden});
  }
};

}  // namespace unroll::nn
