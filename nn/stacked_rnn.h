// StackedRNN: layers of any cell over whole sequences, in one or both directions.
// RNN, LSTM and GRU are that with the built-in cells and PyTorch's parameter names.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/nn/residual.h>
#include <unroll/nn/rnn_cell.h>
#include <unroll/nn/unroll.h>
#include <unroll/ops/dropout.h>

namespace unroll::nn {

struct StackOptions {
  bool bidirectional = false;
  double dropout = 0;  ///< of the outputs of every layer but the last, while training
  bool batch_first = false;
  double input_dropout = 0;     ///< of the inputs of the first layer, while training
  bool locked_dropout = false;  ///< one mask for all steps of a sequence (Gal and Ghahramani 2016)
  /// Each layer but the first adds its inputs to its outputs (Wu et al. 2016).
  bool residual = false;
};

/// Layers of cells, each fed with the outputs of the one below. Layers of different cells are one
/// StackedRNN after another.
template <RecurrentCell Cell>
class StackedRNN {
 public:
  using States = RecycledVector<StateOf<Cell>>;

  /// One cell per layer; if bidirectional two, forward and backward, and a layer's outputs are
  /// those of both side by side. Throws ValueError for no cells, half a layer, or a rate of dropout
  /// outside [0, 1).
  explicit StackedRNN(std::vector<Cell> cells, const StackOptions& options = {}) try
      : cells_(std::move(cells)), options_(options) {
    if (cells_.empty() || cells_.size() % directions() != 0) {
      throw ValueError("StackedRNN: got " + std::to_string(cells_.size()) + " cells; expected " +
                       std::to_string(directions()) + " per layer");
    }
    detail::expect_rate("StackedRNN", "dropout", options.dropout);
    detail::expect_rate("StackedRNN", "input_dropout", options.input_dropout);
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "StackedRNN");
  }

  /// As unroll. `last` holds the states of all cells, layer by layer, forward before backward.
  /// `reverse` turns the direction of every cell. Throws ShapeError for a residual connection
  /// between layers of different widths.
  Unrolled<States> operator()(const Variable& inputs, const UnrollOptions<States>& options = {},
                              Location at = Location::current()) const {
    return recorded_by_user(inputs, at, "StackedRNN", [&] {
      if (options.initial_state && options.initial_state->size() != cells_.size()) {
        throw ValueError("got " + std::to_string(options.initial_state->size()) +
                         " initial states; expected one per cell, " +
                         std::to_string(cells_.size()));
      }
      Sequences x(inputs, options.lengths, options_.batch_first || options.batch_first);
      if (options_.input_dropout != 0) {
        x = x.with(dropped(x, x.rows(), options_.input_dropout));
      }
      Unrolled<States> result;
      for (std::size_t layer = 0; layer < layers(); ++layer) {
        Variables outputs;
        for (std::size_t direction = 0; direction < directions(); ++direction) {
          const std::size_t i = layer * directions() + direction;
          std::optional<StateOf<Cell>> initial;
          if (options.initial_state) initial = (*options.initial_state)[i];
          auto walked =
              detail::walk(cells_[i], x, options.reverse != (direction == 1), initial, at);
          outputs.push_back(detail::rows_of(walked));
          result.last.push_back(std::move(walked.last));
        }
        Variable rows = directions() == 1 ? outputs.front() : concat(outputs, -1);
        if (options_.residual && layer > 0) rows = residual_sum(rows, x.rows(), at);
        if (layer + 1 == layers()) {
          result.outputs = x.padded(rows);
        } else {
          x = x.with(dropped(x, rows, options_.dropout));
        }
      }
      return result;
    });
  }

  /// Of all cells, in the order of `last`.
  States initial_state(const Variable& like, std::int64_t batch) const {
    States states;
    for (const Cell& cell : cells_) states.push_back(cell.initial_state(like, batch));
    return states;
  }

  /// The same layers with wrap(cell) in place of every cell, which may be of another type:
  /// lstm.wrapped([](const LSTMCell& cell) { return Zoneout(cell, {0.1, 0.1}); })
  template <class Wrap>
  auto wrapped(Wrap wrap) const {
    return blame_memory("StackedRNN::wrapped", [&] {
      std::vector<std::remove_cvref_t<std::invoke_result_t<Wrap&, const Cell&>>> cells;
      for (const Cell& cell : cells_) cells.push_back(wrap(cell));
      return StackedRNN<typename decltype(cells)::value_type>(std::move(cells), options_);
    });
  }

  const std::vector<Cell>& cells() const { return cells_; }
  std::size_t directions() const { return options_.bidirectional ? 2 : 1; }
  std::size_t layers() const { return cells_.size() / directions(); }

 private:
  /// Dropout of rows over the same sequences as x.
  Variable dropped(const Sequences& x, const Variable& rows, double rate) const {
    if (!options_.locked_dropout || rate == 0 || !in_training(rows)) return dropout(rows, rate);
    const Variable one_step = zeros_like(rows, rows.shape().with(0, x.batch()));
    return x.scaled(rows, dropout_mask(one_step, rate));
  }

  std::vector<Cell> cells_;
  StackOptions options_;
};

/// As StackOptions.
struct LayerOptions {
  int layers = 1;
  bool bidirectional = false;
  double dropout = 0;
  bool batch_first = false;
  double input_dropout = 0;
  bool locked_dropout = false;
  bool residual = false;
};

/// A StackedRNN of a built-in cell, or of another that is made as Cell(scope, in, hidden, options)
/// and has RecurrentWeightOptions in its options. Parameters are named as in PyTorch: weight_ih_l0,
/// weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, ..., weight_ih_l1, ...
template <class Cell>
class RecurrentLayers : public StackedRNN<Cell> {
 public:
  /// Layers of the same width. Throws ValueError for fewer than one, or a name that is taken.
  RecurrentLayers(const LayerScope& scope, std::int64_t in, std::int64_t hidden,
                  const LayerOptions& options = {}, const typename Cell::Options& cell = {}) try
      : RecurrentLayers(scope, in,
                        std::vector<std::int64_t>(
                            detail::layer_count("RecurrentLayers", options.layers), hidden),
                        options, cell) {
  } catch (const std::bad_alloc&) {
    throw unroll::detail::out_of_memory(nullptr, "RecurrentLayers");
  }

  /// One layer of each width; `options.layers` may say so or stay 1. Throws ValueError for no
  /// width, another number of layers, or a name that is taken.
  RecurrentLayers(const LayerScope& scope, std::int64_t in, const std::vector<std::int64_t>& widths,
                  const LayerOptions& options = {}, const typename Cell::Options& cell = {})
      : StackedRNN<Cell>(blame_memory("RecurrentLayers",
                                      [&] { return make_cells(scope, in, widths, options, cell); }),
                         {options.bidirectional, options.dropout, options.batch_first,
                          options.input_dropout, options.locked_dropout, options.residual}) {}

 private:
  static std::vector<Cell> make_cells(const LayerScope& scope, std::int64_t in,
                                      const std::vector<std::int64_t>& widths,
                                      const LayerOptions& options, typename Cell::Options cell) {
    detail::expect_rate("RecurrentLayers", "dropout", options.dropout);
    detail::expect_rate("RecurrentLayers", "input_dropout", options.input_dropout);
    for (const std::int64_t width : widths) {
      detail::expect_sizes("RecurrentLayers", {{"in", in}, {"width", width}});
    }
    if (options.layers > 1 && static_cast<std::size_t>(options.layers) != widths.size()) {
      throw ValueError("RecurrentLayers: got " + std::to_string(options.layers) + " layers and " +
                       std::to_string(widths.size()) + " widths; expected one width per layer");
    }
    const std::string suffix = cell.weights.suffix;
    std::vector<Cell> cells;
    for (std::size_t layer = 0; layer < widths.size(); ++layer) {
      const std::string name = suffix + "_l" + std::to_string(layer);
      cell.weights.suffix = name;
      cells.emplace_back(scope, in, widths[layer], cell);
      std::int64_t outputs = output_width(cells.back());
      if (options.bidirectional) {
        cell.weights.suffix = name + "_reverse";
        cells.emplace_back(scope, in, widths[layer], cell);
        outputs *= 2;
      }
      in = outputs;
    }
    return cells;
  }
};

using RNN = RecurrentLayers<RNNCell>;
using LSTM = RecurrentLayers<LSTMCell>;
using GRU = RecurrentLayers<GRUCell>;

}  // namespace unroll::nn
