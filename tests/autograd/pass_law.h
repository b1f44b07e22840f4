// The law of passes: whatever is switched on or off, a model computes what it computes eagerly, and
// a plan that is used again changes no bit.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

/// What a model records: its loss, and values that are compared beside it.
struct Recorded {
  Variable loss;
  Variables values = {};
};

/// Records a model. Everything but the numbers in it is the same for every `data`.
using Recording =
    std::function<Recorded(Tape& tape, const ParameterSet& parameters, std::uint64_t data)>;

struct Switch {
  const char* name;
  bool Passes::*pass;
};
inline constexpr std::array<Switch, 7> kSwitches{{{"batch", &Passes::batch},
                                                  {"fuse", &Passes::fuse},
                                                  {"place", &Passes::place},
                                                  {"accumulate", &Passes::accumulate},
                                                  {"pack", &Passes::pack},
                                                  {"cache", &Passes::cache},
                                                  {"reuse", &Passes::reuse}}};

/// The options with pass k on where bit k of `mask` is set.
inline TapeOptions options_of(unsigned mask, TapeOptions base = {}) {
  for (std::size_t k = 0; k < kSwitches.size(); ++k) {
    base.passes.*kSwitches[k].pass = (mask >> k & 1) != 0;
  }
  return base;
}

/// Every combination of passes.
inline std::vector<TapeOptions> all_options() {
  std::vector<TapeOptions> result;
  for (unsigned mask = 0; mask < 1u << kSwitches.size(); ++mask) result.push_back(options_of(mask));
  return result;
}

/// All passes, none, each one alone, and all without each one; and some of that with little memory.
inline std::vector<TapeOptions> some_options() {
  constexpr unsigned kAll = (1u << kSwitches.size()) - 1;
  std::vector<TapeOptions> result{options_of(kAll), options_of(0)};
  for (unsigned bit = 1; bit < kAll; bit <<= 1) {
    result.push_back(options_of(bit));
    result.push_back(options_of(kAll - bit));
  }
  for (const std::size_t bytes : {1, 500, 5000}) {
    result.push_back(options_of(kAll, {.memory_budget = bytes}));
  }
  result.push_back(options_of(0, {.memory_budget = 1}));
  result.push_back(options_of(kAll - 2, {.memory_budget = 1}));  // without fuse
  return result;
}

inline std::string to_string(const TapeOptions& options) {
  std::string result = options.eager ? "eager" : "passes";
  if (options.memory_budget > 0) result += " in " + std::to_string(options.memory_budget);
  for (const Switch& s : kSwitches) {
    if (options.passes.*s.pass) result += std::string(" ") + s.name;
  }
  return result;
}

/// The loss, the other values, and the gradient of every parameter.
using Found = std::vector<Tensor>;

/// Computes everything on `tape`, which is reset first: the values in one run, then, after another
/// reset, the gradients in another, and then both in one.
inline Found found_on(Tape& tape, const Recording& model, const ParameterSet& parameters,
                      std::uint64_t data) {
  Found found;
  tape.reset(data);
  {
    const Recorded recorded = model(tape, parameters, data);
    Variables roots{recorded.loss};
    roots.insert(roots.end(), recorded.values.begin(), recorded.values.end());
    evaluate(roots);
    for (const Variable& root : roots) found.push_back(root.value());
  }
  tape.reset(data);
  const Recorded recorded = model(tape, parameters, data);
  const Gradients g = gradients(recorded.loss, parameters);
  found.push_back(recorded.loss.value());
  for (const Parameter& p : parameters) found.push_back(g[p]);
  if (recorded.values.empty()) return found;
  tape.reset(data);
  const Recorded again = model(tape, parameters, data);
  const Gradients beside = gradients(again.loss, parameters, again.values);
  for (const Variable& value : again.values) found.push_back(value.value());
  for (const Parameter& p : parameters) found.push_back(beside[p]);
  return found;
}

inline Found found_with(const TapeOptions& options, const Recording& model,
                        const ParameterSet& parameters, std::uint64_t data) {
  Tape tape(options);
  return found_on(tape, model, parameters, data);
}

/// The largest difference, relative to the larger of 1 and the expected value; infinite if types
/// differ, or if only one is NaN.
inline double difference(const Found& expected, const Found& found) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (expected.size() != found.size()) return kInfinity;
  double worst = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const Tensor &x = expected[k], &y = found[k];
    if (x.shape() != y.shape() || x.dtype() != y.dtype()) return kInfinity;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const double a = x.at(i), b = y.at(i);
      if (std::isnan(a) && std::isnan(b)) continue;
      const double error = std::abs(a - b) / std::max(1.0, std::abs(a));
      if (std::isnan(error)) return kInfinity;
      worst = std::max(worst, error);
    }
  }
  return worst;
}

inline bool identical(const Found& a, const Found& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return x.identical(y); });
}

/// The law for one dtype: that of the parameters.
inline void check_law_as_is(const Recording& model, const ParameterSet& parameters,
                            const std::vector<TapeOptions>& list, double tolerance) {
  constexpr std::uint64_t kData = 1, kOtherData = 2;
  const Found expected = found_with({.eager = true}, model, parameters, kData);
  const Found expected_other = found_with({.eager = true}, model, parameters, kOtherData);
  for (const TapeOptions& options : list) {
    INFO(name_of(parameters.dtype()) << ", " << to_string(options));
    Tape tape(options);
    const Found cold = found_on(tape, model, parameters, kData);
    CHECK(difference(expected, cold) <= tolerance);
    const std::size_t plans = tape.state().plans.size();
    CHECK((plans > 0) == options.passes.cache);
    CHECK(identical(cold, found_on(tape, model, parameters, kData)));
    const Found other = found_on(tape, model, parameters, kOtherData);
    CHECK(difference(expected_other, other) <= tolerance);
    CHECK(identical(other, found_with(options, model, parameters, kOtherData)));
    CHECK(tape.state().plans.size() == plans);  // the plans were found again
  }
}

/// The law in float32 and then in float64, which the parameters have afterwards.
inline void check_law(const Recording& model, ParameterSet& parameters,
                      const std::vector<TapeOptions>& list, double float_tolerance = 1e-5) {
  parameters.to(Dtype::float32);
  check_law_as_is(model, parameters, list, float_tolerance);
  parameters.to(Dtype::float64);
  check_law_as_is(model, parameters, list, 1e-12);
}

/// An input that depends on `data`, uniform in [-1, 1), for a model with these parameters.
inline Variable data_input(Tape& tape, const ParameterSet& parameters, const Shape& shape,
                           std::uint64_t data, std::uint64_t number = 0) {
  return tape.input(
      random_uniform(shape, mix(data, number), -1, 1, Dtype::float64).to(parameters.dtype()));
}

/// Integers in [0, bound) that depend on `data`.
inline Tensor data_ids(const Shape& shape, std::uint64_t data, std::uint32_t bound) {
  Random random(mix(data, 77));
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    ids.push_back(static_cast<std::int32_t>(random.below(bound)));
  }
  return Tensor(shape, ids);
}

/// sum of x times data: a loss in which every element counts differently.
inline Variable weighed(Tape& tape, const ParameterSet& parameters, const Variable& x,
                        std::uint64_t data, std::uint64_t number = 1000) {
  return sum(x * data_input(tape, parameters, x.shape(), data, number));
}

}  // namespace unroll::testing
