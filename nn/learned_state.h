// LearnedState: a cell whose first state is trained.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

/// The cell with parameters "initial_0", "initial_1", ... as its initial state, the same for every
/// sequence: one for each Variable that the cell remembers, of that Variable's shape without the
/// batch.
template <RecurrentCell Cell>
struct LearnedState {
  Cell cell;
  std::vector<Parameter> initial;

  /// Throws ValueError for a name that is taken.
  LearnedState(const LayerScope& scope, Cell wrapped,
               const Scope::Initializer& values = init::zeros()) try
      : cell(std::move(wrapped)) {
    const Beginning<Cell> own(cell, scope.set().dtype());
    for (const Variable& v : memory_variables(own.state)) {
      initial.push_back(scope.parameter("initial_" + std::to_string(initial.size()),
                                        v.shape().without(0), values));
    }
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "LearnedState");
  }

  StateOf<Cell> initial_state(const Variable& like, std::int64_t batch) const {
    StateOf<Cell> state = cell.initial_state(like, batch);
    std::size_t i = 0;
    for_each_memory(state, [&](Variable& v) {
      const Parameter& parameter = initial[i++];
      v = expand(use_like(like, parameter), parameter.shape().inserted(0, batch));
    });
    return state;
  }
  StateOf<Cell> step(const Variable& x, const StateOf<Cell>& state,
                     Location at = Location::current()) const {
    return step_at(cell, x, state, at);
  }
  StateOf<Cell> step(const Variable& x, const StateOf<Cell>& state, const Variable& read,
                     Location at = Location::current()) const {
    return step_reading(cell, x, state, read, at);
  }
};

}  // namespace unroll::nn
