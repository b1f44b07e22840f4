// StackedRNN: layers of any cell over whole sequences, in one or both directions.
// RNN, LSTM and GRU are that with the built-in cells and PyTorch's parameter names.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/nn/rnn_cell.h>
#include <unroll/nn/unroll.h>
#include <unroll/ops/dropout.h>

namespace unroll::nn {

struct StackOptions {
  bool bidirectional = false;
  double dropout = 0;  ///< of the outputs of every layer but the last, while training
  bool batch_first = false;
};

/// Layers of cells, each fed with the outputs of the one below.
template <RecurrentCell Cell>
class StackedRNN {
 public:
  using States = std::vector<StateOf<Cell>>;

  /// One cell per layer; if bidirectional two, forward and backward, and a layer's outputs are
  /// those of both side by side. Throws ValueError for no cells, or half a layer.
  explicit StackedRNN(std::vector<Cell> cells, const StackOptions& options = {})
      : cells_(std::move(cells)), options_(options) {
    if (cells_.empty() || cells_.size() % directions() != 0) {
      throw ValueError("StackedRNN: got " + std::to_string(cells_.size()) + " cells; expected " +
                       std::to_string(directions()) + " per layer");
    }
  }

  /// As unroll. `last` holds the states of all cells, layer by layer, forward before backward.
  /// `reverse` turns the direction of every cell.
  Unrolled<States> operator()(const Variable& inputs, const UnrollOptions<States>& options = {},
                              Location at = Location::current()) const {
    return blame(at, "StackedRNN", [&] {
      if (options.initial_state && options.initial_state->size() != cells_.size()) {
        throw ValueError("got " + std::to_string(options.initial_state->size()) +
                         " initial states; expected one per cell, " +
                         std::to_string(cells_.size()));
      }
      Sequences x(inputs, options.lengths, options_.batch_first || options.batch_first);
      Unrolled<States> result;
      for (std::size_t layer = 0; layer < layers(); ++layer) {
        std::vector<Variable> outputs;
        for (std::size_t direction = 0; direction < directions(); ++direction) {
          const std::size_t i = layer * directions() + direction;
          std::optional<StateOf<Cell>> initial;
          if (options.initial_state) initial = (*options.initial_state)[i];
          auto walked = detail::walk(cells_[i], x, options.reverse != (direction == 1), initial);
          outputs.push_back(detail::rows_of(walked));
          result.last.push_back(std::move(walked.last));
        }
        const Variable rows = directions() == 1 ? outputs.front() : concat(outputs, -1);
        if (layer + 1 == layers()) {
          result.outputs = x.padded(rows);
        } else {
          x = x.with(dropout(rows, options_.dropout));
        }
      }
      return result;
    });
  }

  const std::vector<Cell>& cells() const { return cells_; }
  std::size_t directions() const { return options_.bidirectional ? 2 : 1; }
  std::size_t layers() const { return cells_.size() / directions(); }

 private:
  std::vector<Cell> cells_;
  StackOptions options_;
};

struct LayerOptions {
  int layers = 1;
  bool bidirectional = false;
  double dropout = 0;
  bool batch_first = false;
};

/// A StackedRNN of a built-in cell. Parameters are named as in PyTorch: weight_ih_l0,
/// weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ..., weight_ih_l1, ...
/// Throws ValueError for fewer than one layer or a name that is taken.
template <class Cell>
class RecurrentLayers : public StackedRNN<Cell> {
 public:
  RecurrentLayers(const Scope& scope, std::int64_t in, std::int64_t hidden,
                  const LayerOptions& options = {}, const typename Cell::Options& cell = {})
      : StackedRNN<Cell>(make_cells(scope, in, hidden, options, cell),
                         {options.bidirectional, options.dropout, options.batch_first}) {}

 private:
  static std::vector<Cell> make_cells(const Scope& scope, std::int64_t in, std::int64_t hidden,
                                      const LayerOptions& options, typename Cell::Options cell) {
    const std::int64_t outputs = options.bidirectional ? 2 * hidden : hidden;
    const std::string suffix = cell.weights.suffix;
    std::vector<Cell> cells;
    for (int layer = 0; layer < options.layers; ++layer) {
      for (const char* direction : {"", "_reverse"}) {
        if (*direction != '\0' && !options.bidirectional) continue;
        cell.weights.suffix = suffix + "_l" + std::to_string(layer) + direction;
        cells.emplace_back(scope, layer == 0 ? in : outputs, hidden, cell);
      }
    }
    return cells;
  }
};

using RNN = RecurrentLayers<RNNCell>;
using LSTM = RecurrentLayers<LSTMCell>;
using GRU = RecurrentLayers<GRUCell>;

}  // namespace unroll::nn
