// The recurrent part of the table of sequence models: layers, cells, wrappers.
#include <unroll/nn/nn.h>
#include <unroll/ops/indexing.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/nn/sequence_models.h>

namespace unroll::testing::detail {

namespace {

constexpr std::int64_t kHidden = 3;

/// Outputs [T, B, ...] and every Variable of the last state.
template <class Unrolled>
SequenceResults results_of(const SequenceCall& call, const Unrolled& walked, bool batch_first) {
  SequenceResults results{
      {batch_first ? transpose(walked.outputs, 0, 1) : walked.outputs, &call.in()}};
  for (const Variable& v : nn::state_variables(walked.last)) results.push_back({v});
  return results;
}

struct Walk {
  bool reverse = false, batch_first = false, own_state = true;
};

/// Any cell or layer over x, its first state given unless it is to be the model's own.
template <class S, class Model, class WalkOver>
SequenceResults walked(const SequenceCall& call, const Model& model, const Walk& walk,
                       WalkOver walk_over) {
  nn::UnrollOptions<S> options{.lengths = call.in().lengths, .reverse = walk.reverse};
  options.batch_first = walk.batch_first;
  if (!walk.own_state) {
    std::uint64_t purpose = 50;
    options.initial_state =
        nn::map_state(model.initial_state(call.x, call.in().batch()),
                      [&](const Variable& v) { return call.rows(v.shape()[1], ++purpose); });
  }
  const Variable x = walk.batch_first ? transpose(call.x, 0, 1) : call.x;
  return results_of(call, walk_over(x, options), walk.batch_first);
}

template <class Layer>
SequenceFunction over_layers(const Layer& layer, const Walk& walk = {}) {
  return [=](const SequenceCall& call) {
    return walked<typename Layer::States>(
        call, layer, walk,
        [&](const Variable& x, const auto& options) { return layer(x, options); });
  };
}

template <class Cell>
SequenceFunction over_cell(const Cell& cell, const Walk& walk = {}) {
  return [=](const SequenceCall& call) {
    return walked<nn::StateOf<Cell>>(call, cell, walk, [&](const Variable& x, const auto& options) {
      return nn::unroll(cell, x, options);
    });
  };
}

class Table {
 public:
  /// A model that draws masks while training is listed without them, too.
  void add(const std::string& name, std::function<SequenceFunction(const nn::Scope&)> make,
           bool random = false) {
    models_.push_back({name, make});
    if (random) models_.push_back({name + ", training", std::move(make), true});
  }
  /// Forwards from the cell's own state, and backwards from a given one.
  template <class MakeCell>
  void add_cell(const std::string& name, MakeCell make, bool random = false) {
    add(
        name, [=](const nn::Scope& s) { return over_cell(make(s)); }, random);
    add(
        name + ", backwards",
        [=](const nn::Scope& s) {
          return over_cell(make(s), {.reverse = true, .own_state = random});
        },
        random);
  }
  template <class Layer>
  void add_layers(const std::string& name) {
    const auto layers = [&](const std::string& what, const nn::LayerOptions& options,
                            const Walk& walk = {}) {
      add(
          name + what,
          [=](const nn::Scope& s) { return over_layers(Layer(s, kWidth, kHidden, options), walk); },
          options.dropout + options.input_dropout > 0);
    };
    layers("", {});
    layers(", backwards from a given state", {}, {.reverse = true, .own_state = false});
    layers(", 2 layers", {.layers = 2}, {.own_state = false});
    layers(", bidirectional", {.bidirectional = true});
    layers(", 3 layers, bidirectional, batch first",
           {.layers = 3, .bidirectional = true, .batch_first = true},
           {.batch_first = true, .own_state = false});
    layers(", residual", {.layers = 3, .residual = true});
    layers(", dropout", {.layers = 2, .bidirectional = true, .dropout = 0.3, .input_dropout = 0.3});
    layers(", locked dropout",
           {.layers = 2, .dropout = 0.3, .input_dropout = 0.3, .locked_dropout = true});
  }
  std::vector<SequenceModel> done() { return std::move(models_); }

 private:
  std::vector<SequenceModel> models_;
};

template <class Cell>
auto made(const typename Cell::Options& options = {}) {
  return [=](const nn::Scope& s) { return Cell(s, kWidth, kHidden, options); };
}

}  // namespace

std::vector<SequenceModel> recurrent_models() {
  Table table;
  table.add_layers<nn::RNN>("RNN");
  table.add_layers<nn::LSTM>("LSTM");
  table.add_layers<nn::GRU>("GRU");

  table.add_cell("RNNCell, relu", made<nn::RNNCell>({.activation = nn::RNNActivation::relu}));
  table.add_cell("LSTMCell, projection", made<nn::LSTMCell>({.projection = 2}));
  table.add_cell("PeepholeLSTMCell", made<nn::PeepholeLSTMCell>());
  table.add_cell("CoupledLSTMCell", made<nn::CoupledLSTMCell>());
  table.add_cell("LayerNormLSTMCell", made<nn::LayerNormLSTMCell>({.epsilon = 0.1}));
  table.add_cell("LayerNormGRUCell", made<nn::LayerNormGRUCell>({.epsilon = 0.1}));
  table.add_cell("MinimalGatedCell", made<nn::MinimalGatedCell>());
  table.add_cell("a user's cell with a Variable as its state",
                 [](const nn::Scope& s) { return testing::MinimalGatedCell(s, kWidth, kHidden); });
  table.add("a user's cell with parts of several ranks",
            [](const nn::Scope&) { return over_cell(CountingCell{kWidth}); });

  const auto lstm = [](const nn::Scope& s) { return nn::LSTMCell(s, kWidth, kWidth); };
  const auto gru = [](const nn::Scope& s) { return nn::GRUCell(s, kWidth, kWidth); };
  table.add_cell(
      "Zoneout",
      [=](const nn::Scope& s) {
        return nn::Zoneout(lstm(s), {0.2, 0.5});
      },
      true);
  table.add_cell(
      "RecurrentDropout", [=](const nn::Scope& s) { return nn::RecurrentDropout(gru(s), 0.4); },
      true);
  table.add_cell(
      "Residual of RecurrentDropout of Zoneout",
      [=](const nn::Scope& s) {
        return nn::Residual(nn::RecurrentDropout(nn::Zoneout(lstm(s), {0.2, 0.5}), 0.4));
      },
      true);
  table.add_cell("LearnedState", [=](const nn::Scope& s) {
    return nn::LearnedState(s / "first", lstm(s), nn::init::normal());
  });
  table.add_cell(
      "StackedCell",
      [=](const nn::Scope& s) {
        return nn::StackedCell<nn::LSTMCell>({lstm(s / "0"), lstm(s / "1")}, 0.3);
      },
      true);
  table.add("StackedRNN of wrapped cells", [](const nn::Scope& s) {
    const nn::GRU layers(s, kWidth, kHidden, {.layers = 2, .bidirectional = true});
    return over_layers(
        layers.wrapped([&](const nn::GRUCell& cell) { return nn::Zoneout(cell, {0.25}); }));
  });

  table.add("bidirectional", [=](const nn::Scope& s) -> SequenceFunction {
    return [ahead = lstm(s / "ahead"), back = gru(s / "back")](const SequenceCall& call) {
      const auto both = nn::bidirectional(ahead, back, call.x, {.lengths = call.in().lengths});
      return SequenceResults{
          {both.outputs, &call.in()}, {both.forward.h}, {both.forward.c}, {both.backward}};
    };
  });
  table.add("unroll_steps", [=](const nn::Scope& s) -> SequenceFunction {
    return [cell = gru(s)](const SequenceCall& call) {
      const auto steps = nn::unroll_steps(cell, call.x, {.lengths = call.in().lengths});
      const Variable& last = steps.last;
      return SequenceResults{
          {last},
          {steps.outputs.empty() ? nn::zeros_like(last, last.shape().inserted(0, 0))
                                 : stack(steps.outputs),
           &call.in()}};
    };
  });
  return table.done();
}

}  // namespace unroll::testing::detail
