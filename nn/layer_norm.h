// LayerNorm    y = (x - mean) / sqrt(var + epsilon) * weight + bias    (Ba, Kiros, Hinton 2016)
#pragma once

#include <cstdint>

#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

/// Over the last axis. PyTorch's name, parameters and first values: weight [width] of ones, bias
/// [width] of zeros.
struct LayerNorm {
  Parameter weight, bias;
  double epsilon;

  LayerNorm(const Scope& scope, std::int64_t width, double eps = 1e-5)
      : weight(scope.parameter("weight", {width}, init::ones())),
        bias(scope.parameter("bias", {width}, init::zeros())),
        epsilon(eps) {}

  /// x [..., width]
  Variable operator()(const Variable& x, Location at = Location::current()) const {
    return layer_norm(Operand(x, at), weight, bias, epsilon);
  }
};

}  // namespace unroll::nn
