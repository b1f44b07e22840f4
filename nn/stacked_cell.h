// StackedCell: cells on top of each other as one cell, for what goes on step by step (decoders).
// Over whole sequences StackedRNN does the same and faster.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/cell.h>
#include <unroll/ops/dropout.h>

namespace unroll::nn {

/// Each cell's output, through dropout, is the input of the next. The state is the list of the
/// cells' states, the output that of the last cell. Throws ValueError if there is no cell.
template <RecurrentCell Cell>
struct StackedCell {
  std::vector<Cell> cells;
  double dropout_rate;

  explicit StackedCell(std::vector<Cell> layers, double dropout = 0) try
      : cells(std::move(layers)), dropout_rate(dropout) {
    detail::expect_rate("StackedCell", "dropout", dropout_rate);
    if (cells.empty()) throw ValueError("StackedCell: got no cells; expected at least one");
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "StackedCell");
  }

  RecycledVector<StateOf<Cell>> initial_state(const Variable& like, std::int64_t batch) const {
    RecycledVector<StateOf<Cell>> states;
    for (const Cell& cell : cells) states.push_back(cell.initial_state(like, batch));
    return states;
  }

  RecycledVector<StateOf<Cell>> step(const Variable& x, const RecycledVector<StateOf<Cell>>& states,
                                     Location at = Location::current()) const {
    return recorded_by_user(x, at, "StackedCell", [&] {
      RecycledVector<StateOf<Cell>> next{step_at(cells[0], x, states.at(0), at)};
      step_above(next, states, at);
      return next;
    });
  }

  /// The rest of a step, for the cells above those that have their states in `next`, one at least.
  void step_above(RecycledVector<StateOf<Cell>>& next, const RecycledVector<StateOf<Cell>>& states,
                  const Location& at) const {
    for (std::size_t layer = next.size(); layer < cells.size(); ++layer) {
      const Variable input = dropout({output_of(next.back()), at}, dropout_rate);
      next.push_back(step_at(cells[layer], input, states.at(layer), at));
    }
  }
};

}  // namespace unroll::nn
