// The model of the program `forecast`. A GRU walks over segments of the past; from its last state,
// one more step for every segment of the future gives them all at once, as in SegRNN (Lin et al.
// 2023). The last value is taken off first and put back last; channels share all weights.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <unroll/examples/tasks/parts/program.h>
#include <unroll/examples/tasks/parts/series.h>
#include <unroll/nn/nn.h>
#include <unroll/train/metrics.h>

namespace unroll::tasks {

/// What is forecast from what, in values.
struct Plan {
  std::int64_t input = 168, horizon = 84;
  std::int64_t segment = 12;  ///< values per step; divides both
  std::int64_t channels = 1;
};

/// Of all values of the forecasts, and of the last of each alone.
struct ForecastErrors {
  train::RegressionErrors all, last;
  std::string text() const;
};

struct Forecaster {
  Plan plan;
  Scale scale;
  ParameterSet parameters;
  nn::Linear segment;
  nn::GRUCell cell;
  nn::Embedding place, channel;
  nn::Linear output;
  double dropout_rate;

  /// Throws ValueError for a plan whose segments do not fit, or an odd settings.hidden.
  Forecaster(const Plan& plan, Scale scale, const Settings& s);
  static Forecaster load(const Settings& s);
  std::map<std::string, std::string> metadata(const Settings& s) const;

  /// The windows of a series in this model's units. Throws ValueError for one with another number
  /// of channels.
  Windows windows(const Series& series) const;
  /// [n, horizon]
  Variable operator()(Tape& tape, const Windows& from, train::Examples examples) const;
  ForecastErrors errors(const Windows& from, const std::vector<std::size_t>& chosen,
                        int threads) const;
  /// What comes after the end of a series, in its own units: [channel][step]. Throws ValueError for
  /// one that is too short.
  std::vector<std::vector<float>> continuation(const Series& series) const;
};

}  // namespace unroll::tasks
