// The law of accumulation: gradients add up exactly, and change nothing they read.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

/// A copy that shares no memory.
inline Tensor deep_copy(const Tensor& x) {
  Tensor result = x;
  if (x.dtype() == Dtype::float32) result.mutable_data<float>();
  if (x.dtype() == Dtype::float64) result.mutable_data<double>();
  if (x.dtype() == Dtype::int32) result.mutable_data<std::int32_t>();
  if (x.dtype() == Dtype::bool_) result.mutable_data<bool>();
  return result;
}

/// Equal but for the order in which the repeated rows of a table are added up.
inline bool same_rows(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double x = a.at(i), y = b.at(i);
    const bool near = std::isfinite(x) && std::abs(x - y) <= 1e-14 * std::max(1.0, std::abs(x));
    if (x != y && !near) return false;
  }
  return true;
}

/// Of any loss: three gradients added up are three times one, and that of the loss counted four
/// times is four times it; bitwise, unless it is of rows of a table. Parameters and the `read`
/// values of the loss stay as they are.
inline void check_accumulation(const ParameterSet& parameters,
                               const std::function<Variable(Tape&, Variables& read)>& loss) {
  std::vector<Tensor> before, values;
  for (const Parameter& p : parameters) before.push_back(deep_copy(p.value()));
  Tape tape;
  Variables read;
  const Variable one = loss(tape, read);
  for (const Variable& v : read) values.push_back(deep_copy(v.value()));

  const Gradients once = gradients(one, parameters);
  Gradients added(parameters), tripled(parameters), four_times(parameters);
  for (int i = 0; i < 3; ++i) added.add(i == 0 ? once : gradients(one, parameters));
  tripled.add(once);
  tripled.scale(3);
  four_times.add(once);
  four_times.scale(4);
  const Gradients counted = gradients(one + one + one + one, parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    INFO("parameter " << p.name());
    const bool sparse = once.find(i) != nullptr && !once.find(i)->dense;
    CHECK((sparse ? same_rows(added[p], tripled[p]) : added[p].identical(tripled[p])));
    CHECK(counted[p].identical(four_times[p]));
    CHECK(p.value().identical(before[i]));
  }
  for (std::size_t i = 0; i < read.size(); ++i) CHECK(read[i].value().identical(values[i]));
}

}  // namespace unroll::testing
