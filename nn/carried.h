// Carried: the values of a state, apart from any tape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/state.h>

namespace unroll::nn {

/// Row rows[k] of `value` [n, ...] as row k. Throws ShapeError for a scalar, ValueError for a row
/// outside [0, n).
Tensor gather_rows(const Tensor& value, std::span<const std::int32_t> rows);

/// The values of a state, to go on from on another tape or after a reset. Works for any struct
/// that is a State in form; undefined Variables stay undefined.
template <State S>
class Carried {
 public:
  Carried() = default;
  /// Computes the values, in one run, or takes those that have been computed.
  explicit Carried(const S& state) : form_(without_variables(state)) {
    evaluate(defined_variables(state));
    for (const Variable& variable : state_variables(state)) {
      values_.push_back(variable.defined() ? std::optional(variable.value()) : std::nullopt);
    }
  }
  /// A state of this form with these values. Throws ValueError unless there is one for every
  /// Variable.
  Carried(const S& form, std::span<const std::optional<Tensor>> values)
      : form_(without_variables(form)), values_(values.begin(), values.end()) {
    const std::size_t count = state_variables(form_).size();
    if (values_.size() != count) {
      throw ValueError("Carried: got " + std::to_string(values_.size()) + " values; expected " +
                       std::to_string(count) + ", one for each Variable of the state");
    }
  }
  /// The state as inputs of `tape`.
  S on(Tape& tape) const {
    return map_state(form_, [&, i = std::size_t{0}](const Variable&) mutable {
      const std::optional<Tensor>& value = values_[i++];
      return value ? tape.input(*value) : Variable();
    });
  }
  /// The same state with row k of every value replaced by row rows[k], for search in a batch.
  Carried rows(std::span<const std::int32_t> rows) const {
    Carried result = *this;
    for (std::optional<Tensor>& value : result.values_) {
      if (value) value = gather_rows(*value, rows);
    }
    return result;
  }
  /// Of every Variable, in order of declaration.
  std::span<const std::optional<Tensor>> values() const { return values_; }

 private:
  static S without_variables(const S& state) {
    return map_state(state, [](const Variable&) { return Variable(); });
  }

  S form_;
  RecycledVector<std::optional<Tensor>> values_;
};

}  // namespace unroll::nn
