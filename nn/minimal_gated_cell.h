// MinimalGatedCell    f = sigmoid(W_f x + b_f + U_f h + d_f)
//                     n = tanh(W_n x + b_n + U_n (f h) + d_n)
//                     h' = (1 - f) h + f n                                  (Zhou et al. 2016)
#pragma once

#include <string>

#include <unroll/autograd/recorded.h>
#include <unroll/nn/recurrent_weights.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

struct MinimalGatedCellOptions {
  RecurrentWeightOptions weights = {};
};

/// Minimal gated unit. Each of f and n has the parameters of an RNNCell, named weight_ih_forget,
/// weight_ih_candidate and so on.
struct MinimalGatedCell {
  using Options = MinimalGatedCellOptions;
  RecurrentWeights forget, candidate;

  MinimalGatedCell(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                   const Options& options = {}) try
      : forget(scope, 1, in, hidden, named("_forget", options.weights)),
        candidate(scope, 1, in, hidden, named("_candidate", options.weights)) {
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "MinimalGatedCell");
  }

  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return forget.zeros(like, batch);
  }

  /// x [B, in], h [B, hidden] -> [B, hidden]
  Variable step(const Variable& x, const Variable& h, Location at = Location::current()) const {
    return step(x, h, h, at);
  }
  /// The same with `read` in place of h in the products (see ReadsApart).
  Variable step(const Variable& x, const Variable& h, const Variable& read,
                Location at = Location::current()) const {
    return recorded({x, h, read}, at, "MinimalGatedCell", [&]() -> Variable {
      forget.expect_fitting(x, read);
      const Variable f = sigmoid(forget.from_input(x) + forget.from_hidden(read));
      const Variable n = tanh(candidate.from_input(x) + candidate.from_hidden(f * read));
      return h + f * (n - h);
    });
  }

 private:
  static RecurrentWeightOptions named(const std::string& gate, RecurrentWeightOptions options) {
    options.suffix = gate + options.suffix;
    return options;
  }
};

}  // namespace unroll::nn
