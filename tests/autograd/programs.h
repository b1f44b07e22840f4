// Programs that several engine tests run: random ones, and a hand-written LSTM.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll::testing {

/// A scalar computed from the parameters of a set.
using Model = std::function<Variable(Tape& tape, const ParameterSet& parameters)>;

/// Uniform initial values in [-0.5, 0.5).
inline Tensor small(const Shape& shape, std::uint64_t seed) {
  return random_uniform(shape, seed, -0.5, 0.5);
}

/// One parameter for each of several broadcastable shapes.
inline ParameterSet program_parameters(Dtype dtype) {
  ParameterSet parameters(1, dtype);
  const Scope scope = parameters.scope();
  scope.parameter("matrix", {4, 4}, small);
  scope.parameter("row", {4}, small);
  scope.parameter("column", {4, 1}, small);
  scope.parameter("scalar", {}, small);
  return parameters;
}

/// Sixty random ops over random earlier values: many uses of one value, broadcasts, aliases,
/// products, sums. All values stay within a few units, so that rounding does.
inline Variable random_program(Tape& tape, const ParameterSet& parameters, std::uint64_t seed) {
  Random random(seed);
  std::vector<Variable> pool;
  for (const Parameter& parameter : parameters) pool.push_back(tape.use(parameter));
  const auto any = [&] { return pool[random.below(static_cast<std::uint32_t>(pool.size()))]; };
  const auto square_matrix = [&] { return expand(any(), {4, 4}); };
  for (int i = 0; i < 60; ++i) {
    const Variable a = any(), b = any();
    switch (random.below(14)) {
      case 0:
        pool.push_back(tanh(a + b));
        break;
      case 1:
        pool.push_back(a * sigmoid(b));
        break;
      case 2:
        pool.push_back(0.5 * (a - b));
        break;
      case 3:
        pool.push_back(tanh(matmul(square_matrix(), square_matrix())));
        break;
      case 4:
        pool.push_back(tanh(matmul(transpose(square_matrix()), square_matrix())));
        break;
      case 5:
        pool.push_back(sum(square_matrix(), 0) * 0.25);
        break;
      case 6:
        pool.push_back(sum(square_matrix(), 1, true) * 0.25);
        break;
      case 7:
        pool.push_back(slice(square_matrix(), 0, 1, 2));
        break;
      case 8:
        pool.push_back(reshape(reshape(square_matrix(), {2, 8}), {4, 4}));
        break;
      case 9:
        pool.push_back(
            concat({slice(square_matrix(), 0, 0, 2), slice(square_matrix(), 0, 1, 3)}, 0));
        break;
      case 10:
        pool.push_back(a + b - tanh(a));
        break;
      case 11:
        pool.push_back(a + 0.25);
        break;  // its cotangent flows on as it is
      case 12:
        pool.push_back(max(a, b));
        break;
      default:
        pool.push_back(sin(a) * b);
        break;
    }
    // Sums and products of sums would grow without this.
    if (i % 6 == 5) pool.push_back(tanh(pool.back()));
  }
  Variable loss = sum(tanh(pool.back()));
  for (std::size_t i = 0; i < pool.size(); i += 3) loss = loss + 0.1 * sum(tanh(pool[i]));
  return loss;
}

/// Parameters of an LSTM from `input` to `hidden` values.
inline ParameterSet lstm_parameters(std::int64_t input, std::int64_t hidden, Dtype dtype) {
  ParameterSet parameters(2, dtype);
  const Scope scope = parameters.scope();
  scope.parameter("input_weight", {input, 4 * hidden}, small);
  scope.parameter("hidden_weight", {hidden, 4 * hidden}, small);
  scope.parameter("bias", {4 * hidden}, small);
  return parameters;
}

/// Mean square of the outputs of an LSTM (Hochreiter and Schmidhuber 1997, with forget gate) over
/// `steps` random inputs [batch, input].
inline Variable lstm_loss(Tape& tape, const ParameterSet& parameters, int steps,
                          std::int64_t batch) {
  const Parameter &w = parameters[0], &u = parameters[1], &bias = parameters[2];
  const std::int64_t input = w.shape()[0], hidden = u.shape()[0];
  Variable h = tape.constant(0, w.dtype(), {batch, hidden}), c = h, loss;
  for (int t = 0; t < steps; ++t) {
    const Variable x = tape.input(
        random_uniform({batch, input}, mix(3, static_cast<std::uint64_t>(t)), -1, 1, w.dtype()));
    const Variable gates = matmul(x, w) + matmul(h, u) + bias;
    const auto gate = [&](std::int64_t k) { return slice(gates, 1, k * hidden, (k + 1) * hidden); };
    c = sigmoid(gate(0)) * c + sigmoid(gate(1)) * tanh(gate(2));
    h = sigmoid(gate(3)) * tanh(c);
    const Variable part = sum(h * h);
    loss = loss.defined() ? loss + part : part;
  }
  return loss / static_cast<double>(steps * batch);
}

}  // namespace unroll::testing
