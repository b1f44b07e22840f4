// ReduceOnPlateau: a learning rate that falls when a metric stops improving.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include <unroll/autograd/tensor.h>

namespace unroll::optim {

struct PlateauOptions {
  enum class Mode { min, max };  ///< is a smaller or a larger metric better?
  enum class ThresholdMode { relative, absolute };

  double lr = 1e-3;  ///< to begin with
  Mode mode = Mode::min;
  double factor = 0.1;         ///< lr becomes lr * factor; in [0, 1)
  std::int64_t patience = 10;  ///< bad epochs in a row that are still tolerated
  double threshold = 1e-4;     ///< an improvement has to exceed best * threshold, or threshold
  ThresholdMode threshold_mode = ThresholdMode::relative;
  std::int64_t cooldown = 0;  ///< epochs after a reduction in which none counts as bad
  double min_lr = 0;          ///< lr does not fall below
  double eps = 1e-8;          ///< smaller reductions are not made
};

/// PyTorch's ReduceLROnPlateau, holding the learning rate itself:
///   adam.set_lr(plateau.step(validation_loss));
class ReduceOnPlateau {
 public:
  /// Throws ValueError for a negative or non-finite option, or a factor outside [0, 1).
  explicit ReduceOnPlateau(const PlateauOptions& options = {});

  /// Takes the metric of one more epoch and returns the learning rate to go on with. A NaN metric
  /// counts as no improvement.
  double step(double metric);

  double lr() const { return lr_; }
  /// The best metric so far; infinity (mode min) or -infinity (mode max) before the first.
  double best() const { return best_; }

  /// "lr", "best", "bad_epochs" and "cooldown_left" as float64 scalars.
  std::map<std::string, Tensor> state() const;
  /// Restores what state() gave. Throws ValueError for other names, types or values outside their
  /// domain; nothing is changed then.
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  bool improves(double metric) const;

  PlateauOptions options_;
  double lr_;
  double best_;
  std::int64_t bad_epochs_ = 0;
  std::int64_t cooldown_left_ = 0;
};

}  // namespace unroll::optim
