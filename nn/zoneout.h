// Zoneout    s' = d s + (1 - d) step(x, s)                                 (Krueger et al. 2017)
// Each d is 1 with probability `rate`, else 0, drawn anew at every step for every element of the
// state; in evaluation it is its mean, the rate.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/cell.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>

namespace unroll::nn {

/// A cell that forgets to update parts of its state. There is one rate for each Variable that the
/// cell remembers, in order of declaration: Zoneout(lstm_cell, {0.05, 0.5}) for h and c. Put
/// Residual around this, not inside.
template <RecurrentCell Cell>
struct Zoneout {
  Cell cell;
  std::vector<double> rates;

  /// Throws ValueError for another number of rates, one outside [0, 1), or a cell whose output is
  /// an Auxiliary, which would not follow what it remembers.
  Zoneout(Cell wrapped, std::vector<double> of_members) try
      : cell(std::move(wrapped)), rates(std::move(of_members)) {
    const Beginning<Cell> own(cell);
    const Variables remembered = memory_variables(own.state);
    if (rates.size() != remembered.size()) {
      throw ValueError("Zoneout: got " + std::to_string(rates.size()) + " rates; expected " +
                       std::to_string(remembered.size()) +
                       ", one per Variable that the cell remembers");
    }
    const auto is_output = [output = output_of(own.state)](const Variable& v) {
      return v.same_node(output);
    };
    if (std::ranges::none_of(remembered, is_output) &&
        std::ranges::any_of(state_variables(own.state), is_output)) {
      throw ValueError(
          "Zoneout: got a cell whose output is an Auxiliary, like that of Residual; expected one "
          "that remembers its output, or computes it from what it remembers");
    }
    for (const double rate : rates) {
      if (!(rate >= 0 && rate < 1)) {
        throw ValueError("Zoneout: got rate " + std::to_string(rate) + "; expected 0 <= rate < 1");
      }
    }
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "Zoneout");
  }

  StateOf<Cell> initial_state(const Variable& like, std::int64_t batch) const {
    return cell.initial_state(like, batch);
  }
  StateOf<Cell> step(const Variable& x, const StateOf<Cell>& state,
                     Location at = Location::current()) const {
    return recorded_by_user(x, at, "Zoneout",
                            [&] { return mixed(state, step_at(cell, x, state, at), at); });
  }
  StateOf<Cell> step(const Variable& x, const StateOf<Cell>& state, const Variable& read,
                     Location at = Location::current()) const {
    return recorded_by_user(
        x, at, "Zoneout", [&] { return mixed(state, step_reading(cell, x, state, read, at), at); });
  }

 private:
  StateOf<Cell> mixed(const StateOf<Cell>& before, StateOf<Cell> after, const Location& at) const {
    const Variables old = memory_variables(before);
    std::size_t i = 0;
    for_each_memory(after, [&](Variable& v) {
      v = mixed(old[i], v, rates[i], at);
      ++i;
    });
    return after;
  }
  static Variable mixed(const Variable& before, const Variable& after, double rate,
                        const Location& at) {
    if (rate == 0) return after;
    return recorded({after, before}, at, "Zoneout", [&] {
      if (!in_training(after)) return after + rate * (before - after);
      return where(dropout_mask(after, rate) > 0.0, after, before);
    });
  }
};

}  // namespace unroll::nn
