// Schedules: the learning rate as a function of the step.
#include <unroll/optim/schedule.h>

#include <cmath>
#include <numbers>

#include <unroll/autograd/error.h>
#include <unroll/optim/arguments.h>

namespace unroll::optim {

using detail::expect_at_least;
using detail::expect_count;

double ConstantLR::operator()(std::int64_t step) const {
  expect_count(0, "ConstantLR", "step", step);
  expect_at_least(0, "ConstantLR", "lr", lr);
  return lr;
}

double StepLR::operator()(std::int64_t step) const {
  expect_count(0, "StepLR", "step", step);
  expect_at_least(0, "StepLR", "lr", lr);
  expect_count(1, "StepLR", "step_size", step_size);
  expect_at_least(0, "StepLR", "gamma", gamma);
  const std::int64_t drops = step / step_size;
  return lr * std::pow(gamma, static_cast<double>(drops));
}

double ExponentialLR::operator()(std::int64_t step) const {
  expect_count(0, "ExponentialLR", "step", step);
  expect_at_least(0, "ExponentialLR", "lr", lr);
  expect_at_least(0, "ExponentialLR", "gamma", gamma);
  return lr * std::pow(gamma, static_cast<double>(step));
}

double CosineLR::operator()(std::int64_t step) const {
  expect_count(0, "CosineLR", "step", step);
  expect_at_least(0, "CosineLR", "lr", lr);
  expect_count(1, "CosineLR", "steps", steps);
  expect_at_least(0, "CosineLR", "minimum", minimum);
  if (step >= steps) return minimum;
  const double part = static_cast<double>(step) / static_cast<double>(steps);
  return minimum + (lr - minimum) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

double InverseSquareRootLR::operator()(std::int64_t step) const {
  expect_count(0, "InverseSquareRootLR", "step", step);
  expect_at_least(0, "InverseSquareRootLR", "lr", lr);
  expect_count(1, "InverseSquareRootLR", "offset", offset);
  const auto start = static_cast<double>(offset);
  return lr * std::sqrt(start / (static_cast<double>(step) + start));
}

double WarmUp::operator()(std::int64_t step) const {
  expect_count(0, "WarmUp", "step", step);
  expect_count(0, "WarmUp", "steps", steps);
  expect_at_least(0, "WarmUp", "start_factor", start_factor);
  if (!then) throw ValueError("WarmUp: then is empty; expected a schedule");
  if (step >= steps) return then(step - steps);
  const double part = static_cast<double>(step) / static_cast<double>(steps);
  return then(0) * (start_factor + (1 - start_factor) * part);
}

}  // namespace unroll::optim
