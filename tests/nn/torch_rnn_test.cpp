// Layers against PyTorch: values and all gradients in rnn_cases.json, see make_rnn_cases.py.
#include <unroll/nn/nn.h>

#include <unroll/tests/nn/torch_modules.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::check_results;
using unroll::testing::laid_out;
using unroll::testing::sources_on;

namespace {

std::int64_t size(const nlohmann::json& c, const char* name) {
  return c.at("sizes").at(name).get<std::int64_t>();
}

/// Runs `layer` on the sources of a case and compares results and gradients.
template <class Layer>
void check_layer(const nlohmann::json& c, const Layer& layer, const nn::ParameterSet& parameters,
                 bool batch_first) {
  using CellState = typename Layer::States::value_type;
  Tape tape;
  const auto sources = sources_on(tape, c, parameters);
  const bool stateful = sources.contains("state_0");
  REQUIRE(sources.size() == parameters.size() + (stateful ? c.at("results").size() : 1));

  nn::UnrollOptions<typename Layer::States> options;
  if (!c.at("lengths").is_null()) {
    options.lengths = c.at("lengths").get<std::vector<std::int32_t>>();
  }
  if (stateful) options.initial_state.emplace();
  for (std::size_t cell = 0; stateful && cell < layer.cells().size(); ++cell) {
    CellState state;
    int member = 0;
    nn::for_each_variable(state, [&](Variable& variable) {
      variable = select(sources.at("state_" + std::to_string(member++)), 0,
                        static_cast<std::int64_t>(cell));
    });
    options.initial_state->push_back(state);
  }
  const auto [outputs, last] = layer(laid_out(sources.at("x"), batch_first), options);
  Variables results{laid_out(outputs, batch_first)};
  for (std::size_t member = 0; member + 1 < c.at("results").size(); ++member) {
    Variables of_cells;
    for (const CellState& state : last) of_cells.push_back(nn::state_variables(state)[member]);
    results.push_back(stack(of_cells));
  }
  check_results(tape, c, sources, results, parameters.dtype(), double(size(c, "steps")));
}

template <class Layer, class CellOptions>
void check_kind(const nlohmann::json& c, CellOptions cell) {
  cell.weights.bias = c.at("bias");
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    for (const bool batch_first : {false, true}) {
      INFO(name_of(dtype) << (batch_first ? ", batch first" : ""));
      nn::ParameterSet parameters(0, dtype);
      const Layer layer(parameters.scope(), size(c, "input"), size(c, "hidden"),
                        {.layers = c.at("layers").get<int>(),
                         .bidirectional = c.at("bidirectional").get<bool>(),
                         .batch_first = batch_first},
                        cell);
      check_layer(c, layer, parameters, batch_first);
    }
  }
}

/// Of layers of cells that have no name as layers.
template <class Cell>
void check_cell(const nlohmann::json& c) {
  check_kind<nn::RecurrentLayers<Cell>>(c, typename Cell::Options{});
}

const std::map<std::string, void (*)(const nlohmann::json&)> kChecks{
    {"rnn_tanh", [](const auto& c) { check_kind<nn::RNN>(c, nn::RNNCellOptions{}); }},
    {"rnn_relu",
     [](const auto& c) {
       check_kind<nn::RNN>(c, nn::RNNCellOptions{.activation = nn::RNNActivation::relu});
     }},
    {"lstm", [](const auto& c) { check_kind<nn::LSTM>(c, nn::LSTMCellOptions{}); }},
    {"lstm_projected",
     [](const auto& c) {
       check_kind<nn::LSTM>(c, nn::LSTMCellOptions{.projection = size(c, "projection")});
     }},
    {"gru", [](const auto& c) { check_kind<nn::GRU>(c, nn::GRUCellOptions{}); }},
    {"peephole", check_cell<nn::PeepholeLSTMCell>},
    {"coupled", check_cell<nn::CoupledLSTMCell>},
    {"layer_norm_lstm", check_cell<nn::LayerNormLSTMCell>},
    {"layer_norm_gru", check_cell<nn::LayerNormGRUCell>},
    {"minimal_gated", check_cell<nn::MinimalGatedCell>}};

}  // namespace

TEST_CASE("Built-in cells agree with PyTorch in values and gradients", "[nn]") {
  const nlohmann::json cases = testing::recorded_cases(__FILE__, "rnn_cases.json");
  CHECK(cases.size() == 85);  // each with and without batch_first: 170 calls of PyTorch
  for (const auto& c : cases) {
    INFO(c.at("kind") << ", " << c.at("layers") << " layers, bidirectional "
                      << c.at("bidirectional") << ", lengths " << c.at("lengths"));
    kChecks.at(c.at("kind"))(c);
  }
}
