// Encodings of the place of a step in its sequence, to be added to its embedding.
#pragma once

#include <cstdint>

#include <unroll/nn/arguments.h>
#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>

namespace unroll::nn {

/// [steps, width]: sin(t / 10000^(i / width)) at even i, and at i + 1 the cosine of the same, for
/// t = first, first + 1, ... (Vaswani et al. 2017). Throws ShapeError for negative sizes,
/// ValueError for a negative first step or one beyond 2^53.
Tensor sinusoidal_positions(std::int64_t steps, std::int64_t width, std::int64_t first = 0,
                            Dtype dtype = Dtype::float32);

struct PositionalEncodingOptions {
  double dropout = 0;        ///< of the sum, while training
  bool batch_first = false;  ///< [B, T, width] instead of [T, B, width]
};

/// Adds sinusoidal_positions.
class PositionalEncoding {
 public:
  explicit PositionalEncoding(const PositionalEncodingOptions& options = {}) : options_(options) {
    detail::expect_rate("PositionalEncoding", "dropout", options.dropout);
  }
  /// x [T, B, width], whose first step is step `first` of its sequence.
  Variable operator()(const Variable& x, std::int64_t first = 0,
                      Location at = Location::current()) const;

 private:
  PositionalEncodingOptions options_;
};

/// Adds a vector per place that is learned: weight [longest, width], at first normal with standard
/// deviation 0.02.
class LearnedPositionalEncoding {
 public:
  LearnedPositionalEncoding(const LayerScope& scope, std::int64_t longest, std::int64_t width,
                            const PositionalEncodingOptions& options = {})
      : options_(options) {
    detail::expect_sizes("LearnedPositionalEncoding", {{"longest", longest}, {"width", width}});
    detail::expect_rate("LearnedPositionalEncoding", "dropout", options.dropout);
    weight_ = scope.parameter("weight", {longest, width}, init::normal(0, 0.02));
  }
  /// As PositionalEncoding. Throws ValueError for a step beyond the longest.
  Variable operator()(const Variable& x, std::int64_t first = 0,
                      Location at = Location::current()) const;

 private:
  Parameter weight_;
  PositionalEncodingOptions options_;
};

}  // namespace unroll::nn
