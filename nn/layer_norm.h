// LayerNorm    y = (x - mean) / sqrt(var + epsilon) * weight + bias    (Ba, Kiros, Hinton 2016)
#pragma once

#include <cstdint>

#include <unroll/nn/arguments.h>
#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

/// Over the last axis. PyTorch's name, parameters and first values: weight [width] of ones, bias
/// [width] of zeros.
struct LayerNorm {
  Parameter weight, bias;
  double epsilon;

  /// Throws ShapeError for a width that is no size, ValueError unless eps >= 0.
  LayerNorm(const LayerScope& scope, std::int64_t width, double eps = 1e-5) : epsilon(eps) {
    detail::expect_sizes("LayerNorm", {{"width", width}});
    detail::expect_epsilon("LayerNorm", eps);
    weight = scope.parameter("weight", {width}, init::ones());
    bias = scope.parameter("bias", {width}, init::zeros());
  }

  /// x [..., width]
  Variable operator()(const Variable& x, Location at = Location::current()) const {
    return layer_norm(Operand(x, at), weight, bias, epsilon);
  }
};

}  // namespace unroll::nn
