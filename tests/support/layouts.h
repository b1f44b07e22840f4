// Layouts: the same sample with its inputs held in memory in another way.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <unroll/ops/shaping.h>
#include <unroll/tests/support/samples.h>

namespace unroll::testing {

namespace detail {

/// The sample with `held(x)` for every input that `applies`, which `taken(held)` gives back.
template <class Applies, class Held, class Taken>
std::optional<Sample> held_otherwise(const Sample& sample, Applies applies, Held held,
                                     Taken taken) {
  Sample result = sample;
  std::vector<bool> changed;
  for (Tensor& input : result.inputs) {
    changed.push_back(applies(input.shape()));
    if (changed.back()) {
      Tape tape;
      input = held(tape.input(input)).value();
    }
  }
  if (std::ranges::none_of(changed, [](bool yes) { return yes; })) return std::nullopt;
  result.call = [call = sample.call, changed, taken](std::span<const Variable> x) {
    Variables inputs(x.begin(), x.end());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (changed[i]) inputs[i] = taken(inputs[i]);
    }
    return call(inputs);
  };
  return result;
}

}  // namespace detail

/// Matrices are held transposed.
inline std::optional<Sample> transposed(const Sample& sample) {
  const auto turned = [](const Variable& x) { return transpose(x); };
  return detail::held_otherwise(
      sample, [](const Shape& shape) { return shape.rank() >= 2; }, turned, turned);
}

/// Every input is each second element of another array.
inline std::optional<Sample> strided(const Sample& sample) {
  return detail::held_otherwise(
      sample, [](const Shape& shape) { return shape.rank() >= 1; },
      [](const Variable& x) {
        const Variable both = stack({x, x}, -1);
        return reshape(both, x.shape().with(x.shape().rank() - 1, 2 * x.shape().extent(-1)));
      },
      [](const Variable& x) { return slice(x, -1, 0, x.shape().extent(-1), 2); });
}

/// One input stands for all that have its shape.
inline std::optional<Sample> shared(const Sample& sample) {
  const Tensor& one = sample.inputs.at(sample.shared);
  const auto is_like = [](const Tensor& a, const Tensor& b) {
    return is_floating(a.dtype()) && a.dtype() == b.dtype() && a.shape() == b.shape();
  };
  Sample result = sample;
  result.inputs.clear();
  std::vector<std::size_t> source;
  std::size_t uses = 0, place = 0;
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    const bool replaced = is_like(sample.inputs[i], one);
    if (replaced && uses++ > 0) {
      source.push_back(place);
      continue;
    }
    if (replaced) place = result.inputs.size();
    source.push_back(result.inputs.size());
    result.inputs.push_back(replaced ? one : sample.inputs[i]);
  }
  if (uses < 2) return std::nullopt;
  result.call = [call = sample.call, source](std::span<const Variable> x) {
    Variables inputs;
    for (const std::size_t i : source) inputs.push_back(x[i]);
    return call(inputs);
  };
  return result;
}

}  // namespace unroll::testing
