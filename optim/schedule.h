// Schedules: the learning rate as a function of the step, as values.
//   const optim::CosineLR cosine{.lr = 1e-3, .steps = 9600};
//   const optim::WarmUp schedule{.steps = 400, .then = cosine};
//   adam.set_lr(schedule(adam.steps()));
// They have no state: resuming needs only the step. All throw ValueError for a negative step, or
// if a field is outside the domain given beside it.
#pragma once

#include <cstdint>
#include <functional>

namespace unroll::optim {

/// Anything that gives the learning rate of step 0, 1, 2, ...
using Schedule = std::function<double(std::int64_t step)>;

/// lr
struct ConstantLR {
  double lr = 1e-3;  ///< finite, >= 0

  double operator()(std::int64_t step) const;
};

/// lr * gamma^floor(step / step_size)
struct StepLR {
  double lr = 1e-3;            ///< finite, >= 0
  std::int64_t step_size = 1;  ///< >= 1
  double gamma = 0.1;          ///< finite, >= 0

  double operator()(std::int64_t step) const;
};

/// lr * gamma^step
struct ExponentialLR {
  double lr = 1e-3;     ///< finite, >= 0
  double gamma = 0.99;  ///< finite, >= 0

  double operator()(std::int64_t step) const;
};

/// Half a cosine wave from lr at step 0 to `minimum` at step `steps`, and `minimum` from then on
/// (Loshchilov and Hutter 2017, without restarts).
struct CosineLR {
  double lr = 1e-3;        ///< finite, >= 0
  std::int64_t steps = 1;  ///< >= 1
  double minimum = 0;      ///< finite, >= 0

  double operator()(std::int64_t step) const;
};

/// lr * sqrt(offset / (step + offset)). After a WarmUp of `offset` steps this is the decay of
/// Vaswani et al. 2017: lr * sqrt(offset / step), counted from the start of the warm-up.
struct InverseSquareRootLR {
  double lr = 1e-3;         ///< finite, >= 0
  std::int64_t offset = 1;  ///< >= 1

  double operator()(std::int64_t step) const;
};

/// Linear from start_factor * then(0) at step 0 up to then(0) at step `steps`, and
/// then(step - steps) from there.
struct WarmUp {
  std::int64_t steps = 0;        ///< >= 0
  Schedule then = ConstantLR{};  ///< not empty
  double start_factor = 0;       ///< finite, >= 0

  double operator()(std::int64_t step) const;
};

}  // namespace unroll::optim
