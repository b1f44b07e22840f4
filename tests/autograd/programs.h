// Programs that several engine tests run: random ones, and a hand-written LSTM.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

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
  Variables pool;
  for (const Parameter& parameter : parameters) pool.push_back(tape.use(parameter));
  const Dtype dtype = parameters.dtype();
  const Variable ramp = tape.input(Tensor(Shape{4}, {0.0, 1.0, 2.0, 3.0}).to(dtype));
  const Variable ids = tape.input(Tensor(Shape{4}, {2, 0, 2, 3}));
  const auto any = [&] { return pool[random.below(static_cast<std::uint32_t>(pool.size()))]; };
  const auto matrix = [&] { return expand(any(), {4, 4}); };
  const auto row = [&] { return sum(matrix(), 0) * 0.25; };
  const std::vector<std::function<Variable()>> ops{
      [&] { return tanh(any() + any()); },
      [&] { return any() * sigmoid(any()); },
      [&] { return 0.5 * (any() - any()); },
      [&] { return sin(any()) * any(); },
      [&] { return max(any(), any()); },
      [&] { return any() + 0.25; },  // its cotangent flows on as it is
      [&] { return tanh(matmul(matrix(), matrix())); },
      [&] { return tanh(matmul(transpose(matrix()), matrix())); },
      [&] { return tanh(affine(matrix(), matrix(), row())); },
      [&] { return row(); },
      [&] { return sum(matrix(), 1, true) * 0.25; },
      [&] { return slice(matrix(), 0, 1, 2); },
      [&] { return select(slice(matrix(), 0, 1, 4), 0, 1); },
      [&] {
        return reshape(reshape(matrix(), {2, 8}), {4, 4});
      },
      [&] {
        return concat({slice(matrix(), 0, 0, 2), slice(matrix(), 0, 1, 3)}, 0);
      },
      [&] { return layer_norm(tanh(matrix()) + ramp, row(), row()); },
      [&] { return rows(matrix(), ids); },
      [&] { return softmax(matrix(), 0); },
  };
  for (int i = 0; i < 60; ++i) {
    pool.push_back(ops[random.below(static_cast<std::uint32_t>(ops.size()))]());
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
