// Which class was taken for which, and precision, recall and F1 from that.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::train {

/// A quotient with denominator 0 is 0 here, as in scikit-learn.
struct ClassScores {
  double precision = 0;  ///< right / predicted
  double recall = 0;     ///< right / targets
  double f1 = 0;         ///< 2 right / (predicted + targets)
};

class ConfusionMatrix {
 public:
  /// Targets equal to `ignore_index` (pads) do not count. Throws ValueError unless 1 <= classes <=
  /// 65536.
  explicit ConfusionMatrix(std::int64_t classes,
                           std::optional<std::int32_t> ignore_index = std::nullopt);

  /// int32 ids of one shape. Throws ShapeError, DtypeError, or ValueError for one outside
  /// [0, classes), and has then counted nothing.
  void add(const Tensor& predicted, const Tensor& targets);

  std::int64_t classes() const { return classes_; }
  /// How often `target` was taken for `predicted`. Throws ValueError as `of`.
  std::int64_t count(std::int64_t target, std::int64_t predicted) const;
  /// All of it, float64 [target, predicted].
  Tensor counts() const;
  /// The share that is right: also micro().f1. NaN if nothing has been counted.
  double accuracy() const;
  /// Of one class against the others. Throws ValueError for one outside [0, classes).
  ClassScores of(std::int64_t index) const;
  /// The means over the classes that occurred as a target or were predicted.
  ClassScores macro() const;
  /// Of all classes counted together.
  ClassScores micro() const;

 private:
  struct Totals {
    std::int64_t right = 0, predicted = 0, targets = 0;
  };
  static ClassScores scores_of(const Totals& totals);
  Totals totals_of(std::int64_t index) const;
  std::size_t place(std::int64_t target, std::int64_t predicted) const {
    return static_cast<std::size_t>(target * classes_ + predicted);
  }

  std::int64_t classes_;
  std::optional<std::int32_t> ignore_index_;
  std::vector<std::int64_t> counts_;
};

}  // namespace unroll::train
