// ReduceOnPlateau: counting bad epochs.
#include <unroll/optim/plateau.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/optim/arguments.h>

namespace unroll::optim {

namespace {

using detail::expect_at_least;
using detail::expect_count;
using Mode = PlateauOptions::Mode;
using ThresholdMode = PlateauOptions::ThresholdMode;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const PlateauOptions& checked(const PlateauOptions& options) {
  constexpr std::string_view kFunction = "ReduceOnPlateau";
  expect_at_least(0, kFunction, "lr", options.lr);
  detail::expect_fraction(kFunction, "factor", options.factor);
  expect_count(0, kFunction, "patience", options.patience);
  expect_at_least(0, kFunction, "threshold", options.threshold);
  expect_count(0, kFunction, "cooldown", options.cooldown);
  expect_at_least(0, kFunction, "min_lr", options.min_lr);
  expect_at_least(0, kFunction, "eps", options.eps);
  return options;
}

}  // namespace

ReduceOnPlateau::ReduceOnPlateau(const PlateauOptions& options)
    : options_(checked(options)),
      lr_(options.lr),
      best_(options.mode == Mode::min ? kInfinity : -kInfinity) {}

bool ReduceOnPlateau::improves(double metric) const {
  const double sign = options_.mode == Mode::min ? -1 : 1;
  const double bar = options_.threshold_mode == ThresholdMode::relative
                         ? best_ * (1 + sign * options_.threshold)
                         : best_ + sign * options_.threshold;
  return options_.mode == Mode::min ? metric < bar : metric > bar;
}

double ReduceOnPlateau::step(double metric) {
  if (improves(metric)) {
    best_ = metric;
    bad_epochs_ = 0;
  } else {
    ++bad_epochs_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_epochs_ = 0;
  }
  if (bad_epochs_ > options_.patience) {
    const double reduced = std::max(lr_ * options_.factor, options_.min_lr);
    if (lr_ - reduced > options_.eps) lr_ = reduced;
    cooldown_left_ = options_.cooldown;
    bad_epochs_ = 0;
  }
  return lr_;
}

std::map<std::string, Tensor> ReduceOnPlateau::state() const {
  const auto scalar = [](double value) { return Tensor::scalar(value, Dtype::float64); };
  return {{"lr", scalar(lr_)},
          {"best", scalar(best_)},
          {"bad_epochs", scalar(static_cast<double>(bad_epochs_))},
          {"cooldown_left", scalar(static_cast<double>(cooldown_left_))}};
}

void ReduceOnPlateau::load_state(const std::map<std::string, Tensor>& state) {
  for (const auto& [name, own] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end()) {
      throw ValueError(fmt::format("ReduceOnPlateau::load_state: {} is missing", name));
    }
    const Tensor& tensor = found->second;
    if (tensor.dtype() != own.dtype() || tensor.shape() != own.shape()) {
      throw ValueError(fmt::format("ReduceOnPlateau::load_state: {} is {}; expected {}", name,
                                   detail::type_of(tensor), detail::type_of(own)));
    }
    const double value = tensor.item();
    const bool good = name == "best" ? !std::isnan(value)
                      : name == "lr" ? value >= 0 && std::isfinite(value)
                                     : detail::is_count(value);
    if (!good) {
      throw ValueError(fmt::format("ReduceOnPlateau::load_state: {} is {}", name, value));
    }
  }
  if (state.size() != this->state().size()) {
    throw ValueError(fmt::format("ReduceOnPlateau::load_state: got {} entries; expected {}",
                                 state.size(), this->state().size()));
  }
  lr_ = state.at("lr").item();
  best_ = state.at("best").item();
  bad_epochs_ = static_cast<std::int64_t>(state.at("bad_epochs").item());
  cooldown_left_ = static_cast<std::int64_t>(state.at("cooldown_left").item());
}

}  // namespace unroll::optim
