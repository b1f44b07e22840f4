// Figures of merit that are collected batch by batch. Every value() is a plain quotient: NaN if
// nothing has been counted.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include <unroll/autograd/tensor.h>

namespace unroll::train {

struct AccuracyOptions {
  int top = 1;  ///< a target counts as found among this many of the highest scores
  std::optional<std::int32_t> ignore_index = std::nullopt;  ///< such targets (pads) do not count
};

/// The share of the targets that were found.
class Accuracy {
 public:
  /// Throws ValueError unless top >= 1.
  explicit Accuracy(const AccuracyOptions& options = {});

  /// scores floating [..., classes], targets int32 [...]. Of equal scores the first one is the
  /// higher; a target whose score is NaN is not found. Throws ShapeError, DtypeError, or ValueError
  /// for a target outside [0, classes), and has then counted nothing.
  void add(const Tensor& scores, const Tensor& targets);
  /// int32 ids that were chosen, for top = 1 (StateError else), and targets of the same shape.
  void add_ids(const Tensor& chosen, const Tensor& targets);

  /// 0 to 1.
  double value() const { return static_cast<double>(found_) / static_cast<double>(count_); }
  std::int64_t count() const { return count_; }
  std::int64_t found() const { return found_; }

 private:
  bool counts(std::int32_t target) const { return target != options_.ignore_index; }

  AccuracyOptions options_;
  std::int64_t count_ = 0, found_ = 0;
};

/// exp of the mean loss per token.
class Perplexity {
 public:
  /// `loss` is the sum of -log p over `tokens` tokens. Throws ValueError for tokens < 0.
  void add(double loss, std::int64_t tokens);

  double value() const { return std::exp(mean_loss()); }
  double mean_loss() const { return loss_ / static_cast<double>(tokens_); }
  std::int64_t count() const { return tokens_; }

 private:
  double loss_ = 0;
  std::int64_t tokens_ = 0;
};

/// Errors of predicted numbers.
class RegressionErrors {
 public:
  /// Floating tensors of one shape. Throws ShapeError or DtypeError.
  void add(const Tensor& predicted, const Tensor& targets);
  /// Only elements whose `mask`, bool, is true; its shape is that of the first axes of the others.
  void add(const Tensor& predicted, const Tensor& targets, const Tensor& mask);

  double mse() const { return squares_ / count_as_double(); }     ///< mean squared error
  double mae() const { return magnitudes_ / count_as_double(); }  ///< mean absolute error
  double rmse() const { return std::sqrt(mse()); }
  /// rmse / standard deviation of the targets (divided by n): 1 for predicting their mean.
  /// Infinite, or NaN without an error, for targets that are all equal.
  double nrmse() const { return std::sqrt(squares_ / deviations_); }
  std::int64_t count() const { return count_; }

 private:
  double count_as_double() const { return static_cast<double>(count_); }

  std::int64_t count_ = 0;
  double squares_ = 0, magnitudes_ = 0;      ///< sums of the errors
  double target_mean_ = 0, deviations_ = 0;  ///< of the targets; squared deviations, summed
};

}  // namespace unroll::train
