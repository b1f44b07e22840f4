// Layers against PyTorch: values and all gradients in rnn_cases.json, see make_rnn_cases.py.
#include <unroll/nn/nn.h>

#include <filesystem>
#include <fstream>

#include <unroll/tests/nn/torch_modules.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::check_results;
using unroll::testing::sources_on;

namespace {

nlohmann::json recorded_cases() {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "rnn_cases.json");
  return nlohmann::json::parse(file).at("cases");
}

/// Runs `layer` on the sources of a case and compares results and gradients.
template <class Layer>
void check_layer(const nlohmann::json& c, const Layer& layer, const nn::ParameterSet& parameters,
                 double tolerance) {
  using CellState = typename Layer::States::value_type;
  Tape tape;
  const auto sources = sources_on(tape, c, parameters);
  REQUIRE(parameters.size() + c.at("results").size() == sources.size());

  nn::UnrollOptions<typename Layer::States> options;
  if (!c.at("lengths").is_null()) {
    options.lengths = c.at("lengths").get<std::vector<std::int32_t>>();
  }
  options.initial_state.emplace();
  for (std::size_t cell = 0; cell < layer.cells().size(); ++cell) {
    CellState state;
    int member = 0;
    nn::for_each_variable(state, [&](Variable& variable) {
      variable = select(sources.at("state_" + std::to_string(member++)), 0,
                        static_cast<std::int64_t>(cell));
    });
    options.initial_state->push_back(state);
  }
  const auto [outputs, last] = layer(sources.at("x"), options);
  Variables results{outputs};
  for (std::size_t member = 0; member + 1 < c.at("results").size(); ++member) {
    Variables of_cells;
    for (const CellState& state : last) of_cells.push_back(nn::state_variables(state)[member]);
    results.push_back(stack(of_cells));
  }
  check_results(tape, c, sources, results, parameters.dtype(), tolerance);
}

template <class Layer, class CellOptions>
void check_kind(const nlohmann::json& c, const CellOptions& cell) {
  INFO(c.at("name").get<std::string>());
  for (const auto& [dtype, tolerance] :
       {std::pair(Dtype::float64, 1e-12), std::pair(Dtype::float32, 1e-5)}) {
    nn::ParameterSet parameters(0, dtype);
    const Layer layer(
        parameters.scope(), 3, 2,
        {.layers = c.at("layers").get<int>(), .bidirectional = c.at("bidirectional").get<bool>()},
        cell);
    check_layer(c, layer, parameters, tolerance);
  }
}

/// Of layers of cells that have no name as layers.
template <class Cell>
void check_cell(const nlohmann::json& c) {
  check_kind<nn::RecurrentLayers<Cell>>(c, typename Cell::Options{});
}

}  // namespace

TEST_CASE("Built-in cells agree with PyTorch in values and gradients", "[nn]") {
  const nlohmann::json cases = recorded_cases();
  REQUIRE(cases.size() == 28);
  for (const auto& c : cases) {
    const std::string kind = c.at("kind");
    if (kind == "rnn_tanh") check_kind<nn::RNN>(c, nn::RNNCellOptions{});
    if (kind == "rnn_relu") {
      check_kind<nn::RNN>(c, nn::RNNCellOptions{.activation = nn::RNNActivation::relu});
    }
    if (kind == "lstm") check_kind<nn::LSTM>(c, nn::LSTMCellOptions{});
    if (kind == "lstm_projected") check_kind<nn::LSTM>(c, nn::LSTMCellOptions{.projection = 1});
    if (kind == "gru") check_kind<nn::GRU>(c, nn::GRUCellOptions{});
    if (kind == "peephole") check_cell<nn::PeepholeLSTMCell>(c);
    if (kind == "coupled") check_cell<nn::CoupledLSTMCell>(c);
    if (kind == "layer_norm_lstm") check_cell<nn::LayerNormLSTMCell>(c);
    if (kind == "layer_norm_gru") check_cell<nn::LayerNormGRUCell>(c);
    if (kind == "minimal_gated") check_cell<nn::MinimalGatedCell>(c);
  }
}
