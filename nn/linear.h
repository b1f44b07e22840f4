// Linear    y = x W^T + b
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <unroll/nn/arguments.h>
#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

/// unroll::linear with a bias that may be undefined.
inline Variable linear(const Variable& x, const Parameter& weight, const Parameter& bias = {},
                       Location at = Location::current()) {
  const Operand input(x, at);
  return bias.defined() ? unroll::linear(input, weight, bias) : unroll::linear(input, weight);
}

struct LinearOptions {
  bool bias = true;
};

/// A layer of PyTorch's name, parameters and first values: weight [out, in] and bias [out], both
/// uniform in +-1/sqrt(in).
struct Linear {
  Parameter weight, bias;  ///< bias is undefined if the options say so

  Linear(const LayerScope& scope, std::int64_t in, std::int64_t out,
         const LinearOptions& options = {}) {
    detail::expect_sizes("Linear", {{"in", in}, {"out", out}});
    const double bound = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(in, 1)));
    weight = scope.parameter("weight", {out, in}, init::uniform(-bound, bound));
    if (options.bias) bias = scope.parameter("bias", {out}, init::uniform(-bound, bound));
  }
  /// One whose weight [out, in] is another layer's: the embedding's for the scores of its tokens
  /// (weight tying; Press, Wolf 2017). Its own bias begins at 0. This layer trains the matrix
  /// whatever the embedding's frozen and padding_idx say. Throws ShapeError if `tied` is no matrix,
  /// StateError if it is undefined.
  Linear(const LayerScope& scope, const Parameter& tied, const LinearOptions& options = {})
      : weight(tied) {
    detail::expect_rank("Linear", "tied", tied.shape(), 2);
    if (options.bias) bias = scope.parameter("bias", {tied.shape()[0]}, init::zeros());
  }

  /// x [..., in] -> [..., out]
  Variable operator()(const Variable& x, Location at = Location::current()) const {
    return linear(x, weight, bias, at);
  }
};

}  // namespace unroll::nn
