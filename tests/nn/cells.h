// Cells that a user might write, for the tests.
#pragma once

#include <unroll/nn/linear.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::testing {

/// h' = h + f * (candidate - h), with nothing but a step. The state is a Variable.
struct MinimalGatedCell {
  nn::Linear gate, candidate;
  std::int64_t hidden;

  MinimalGatedCell(const nn::Scope& scope, std::int64_t in, std::int64_t size)
      : gate(scope / "gate", in + size, size),
        candidate(scope / "candidate", in + size, size),
        hidden(size) {}
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch, hidden});
  }
  Variable step(const Variable& x, const Variable& h) const {
    const Variable f = sigmoid(gate(concat({x, h}, -1)));
    return h + f * (tanh(candidate(concat({x, f * h}, -1))) - h);
  }
};

/// Adds up its inputs; the state holds parts of different rank, and the output is none of them.
struct CountingCell {
  struct State {
    Variable count;  ///< [B]
    Variable total;  ///< [B, width, 1]
    Variable output() const {
      return reshape(total, {total.shape()[0], total.shape()[1]}) / reshape(count, {-1, 1});
    }
  };
  std::int64_t width;

  State initial_state(const Variable& like, std::int64_t batch) const {
    return {nn::zeros_like(like, {batch}), nn::zeros_like(like, {batch, width, 1})};
  }
  State step(const Variable& x, const State& s) const {
    return {s.count + 1.0, s.total + reshape(x, s.total.shape())};
  }
};

}  // namespace unroll::testing
