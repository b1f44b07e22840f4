// The law of passes over the recurrent layers, cells, and losses of sequences.
#include <unroll/nn/nn.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kSteps = 4, kBatch = 3, kInput = 3, kHidden = 2;

/// What a layer gives, in the loss and as values.
template <class Unrolled>
Recorded recorded(Tape& tape, const ParameterSet& parameters, const Unrolled& result,
                  std::uint64_t data) {
  Recorded all{weighed(tape, parameters, result.outputs, data), {result.outputs}};
  for (const Variable& v : nn::state_variables(result.last)) {
    all.loss = all.loss + weighed(tape, parameters, v, data, 2000 + all.values.size());
    all.values.push_back(v);
  }
  return all;
}

struct Call {
  nn::LayerOptions layer = {};
  nn::Lengths lengths = {};
  bool own_initial_state = true;
  bool reverse = false;
};

/// The initial states of a layer are parameters, so that they get gradients, too.
template <class Layer>
void check_layer(const Call& call, const std::vector<TapeOptions>& list) {
  ParameterSet parameters(3);
  const nn::Scope scope = parameters.scope();
  const Layer layer(scope / "layer", kInput, kHidden, call.layer);
  using States = typename Layer::States;
  std::vector<Parameter> initial;
  for (std::size_t i = 0; i < 2 * layer.cells().size(); ++i) {
    initial.push_back(
        (scope / "initial").parameter(std::to_string(i), {kBatch, kHidden}, nn::init::normal()));
  }
  const Parameter input = scope.parameter(
      "input",
      call.layer.batch_first ? Shape{kBatch, kSteps, kInput} : Shape{kSteps, kBatch, kInput},
      nn::init::normal());
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    const Variable x = input * data_input(tape, set, input.shape(), data);
    nn::UnrollOptions<States> options{.lengths = call.lengths, .reverse = call.reverse};
    if (!call.own_initial_state) {
      States states;
      for (const auto& cell : layer.cells()) states.push_back(cell.initial_state(x, kBatch));
      std::size_t i = 0;
      nn::for_each_variable(states, [&](Variable& v) { v = tape.use(initial[i++]); });
      options.initial_state = states;
    }
    return recorded(tape, set, layer(x, options), data);
  };
  check_law(model, parameters, list);
}

template <class Layer>
void check_layers() {
  check_layer<Layer>({.own_initial_state = false}, all_options());
  check_layer<Layer>({.layer = {.layers = 2, .bidirectional = true}, .own_initial_state = false},
                     some_options());
  check_layer<Layer>({.layer = {.bidirectional = true}, .lengths = {2, 0, 4}}, some_options());
  check_layer<Layer>({.layer = {.layers = 2, .dropout = 0.4, .batch_first = true},
                      .lengths = {1, 3, 3},
                      .own_initial_state = false},
                     some_options());
  check_layer<Layer>({.layer = {.layers = 2, .bidirectional = true, .dropout = 0.4}},
                     some_options());
  check_layer<Layer>({.lengths = {0, 0, 0}, .own_initial_state = false}, some_options());
  check_layer<Layer>({.lengths = {3, 1, 2}, .reverse = true}, some_options());
}

/// Long short-term memory with peepholes and one gate for both forgetting and input (Gers and
/// Schmidhuber 2000; Greff et al. 2017).
struct PeepholeCell {
  struct State {
    Variable h, c;
  };
  nn::Linear from_input, from_hidden;
  Parameter peephole_input, peephole_output;
  std::int64_t hidden;

  PeepholeCell(const nn::Scope& scope, std::int64_t in, std::int64_t size)
      : from_input(scope / "input", in, 3 * size),
        from_hidden(scope / "hidden", size, 3 * size, {.bias = false}),
        peephole_input(scope.parameter("peephole_input", {size}, nn::init::normal())),
        peephole_output(scope.parameter("peephole_output", {size}, nn::init::normal())),
        hidden(size) {}
  State initial_state(const Variable& like, std::int64_t batch) const {
    return {nn::zeros_like(like, {batch, hidden}), nn::zeros_like(like, {batch, hidden})};
  }
  State step(const Variable& x, const State& s) const {
    const auto gates = split(from_input(x) + from_hidden(s.h), 3, -1);
    const Variable input = sigmoid(gates[0] + s.c * peephole_input);
    const Variable c = (1.0 - input) * s.c + input * tanh(gates[1]);
    return {sigmoid(gates[2] + c * peephole_output) * tanh(c), c};
  }
};

/// Long short-term memory with layer normalisation (Ba, Kiros, Hinton 2016).
struct NormalizedCell {
  struct State {
    Variable h, c;
  };
  nn::Linear from_input, from_hidden;
  Parameter input_gain, hidden_gain, cell_gain, bias, cell_bias;
  std::int64_t hidden;

  NormalizedCell(const nn::Scope& scope, std::int64_t in, std::int64_t size)
      : from_input(scope / "input", in, 4 * size, {.bias = false}),
        from_hidden(scope / "hidden", size, 4 * size, {.bias = false}),
        input_gain(scope.parameter("input_gain", {4 * size}, nn::init::normal(1, 0.1))),
        hidden_gain(scope.parameter("hidden_gain", {4 * size}, nn::init::normal(1, 0.1))),
        cell_gain(scope.parameter("cell_gain", {size}, nn::init::normal(1, 0.1))),
        bias(scope.parameter("bias", {4 * size}, nn::init::normal(0, 0.1))),
        cell_bias(scope.parameter("cell_bias", {size}, nn::init::normal(0, 0.1))),
        hidden(size) {}
  State initial_state(const Variable& like, std::int64_t batch) const {
    return {nn::zeros_like(like, {batch, hidden}), nn::zeros_like(like, {batch, hidden})};
  }
  State step(const Variable& x, const State& s) const {
    const auto gates = split(
        layer_norm(from_input(x), input_gain, bias) + normalized(from_hidden(s.h)) * hidden_gain, 4,
        -1);
    const Variable c = sigmoid(gates[1]) * s.c + sigmoid(gates[0]) * tanh(gates[2]);
    return {sigmoid(gates[3]) * tanh(layer_norm(c, cell_gain, cell_bias)), c};
  }

 private:
  /// Written out, with columns that broadcast.
  static Variable normalized(const Variable& x) {
    const Variable centred = x - mean(x, -1, true);
    return centred * rsqrt(mean(square(centred), -1, true) + 0.1);
  }
};

template <class Cell>
void check_cell(const Cell& cell, ParameterSet& parameters, const std::vector<TapeOptions>& list) {
  for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths{4, 0, 2}}) {
    for (const bool reverse : {false, true}) {
      const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
        const Variable x = data_input(tape, set, {kSteps, kBatch, kInput}, data);
        return recorded(tape, set, nn::unroll(cell, x, {.lengths = lengths, .reverse = reverse}),
                        data);
      };
      check_law(model, parameters, list);
    }
  }
}

template <class Cell>
void check_cell(const std::vector<TapeOptions>& list) {
  ParameterSet parameters(4);
  const Cell cell(parameters.scope(), kInput, 4);
  check_cell(cell, parameters, list);
}

}  // namespace

TEST_CASE("passes agree on RNN", "[passes][nn]") { check_layers<nn::RNN>(); }
TEST_CASE("passes agree on LSTM", "[passes][nn]") { check_layers<nn::LSTM>(); }
TEST_CASE("passes agree on GRU", "[passes][nn]") { check_layers<nn::GRU>(); }

TEST_CASE("passes agree on cells of users", "[passes][nn]") {
  check_cell<MinimalGatedCell>(all_options());
  check_cell<PeepholeCell>(some_options());
  check_cell<NormalizedCell>(some_options());
}

TEST_CASE("passes agree on the cells that have no layer", "[passes][nn]") {
  check_cell<nn::PeepholeLSTMCell>(some_options());
  check_cell<nn::CoupledLSTMCell>(some_options());
  check_cell<nn::LayerNormLSTMCell>(some_options());
  check_cell<nn::LayerNormGRUCell>(some_options());
  check_cell<nn::MinimalGatedCell>(some_options());
  ParameterSet parameters(4);
  check_cell(nn::LSTMCell(parameters.scope(), kInput, 3, {.projection = 2}), parameters,
             some_options());
}

TEST_CASE("passes agree on wrapped cells", "[passes][nn]") {
  ParameterSet parameters(4);
  const nn::LSTMCell lstm(parameters.scope("lstm"), kInput, kInput);
  const nn::GRUCell gru(parameters.scope("gru"), kInput, kInput);
  check_cell(nn::Zoneout(lstm, {0.2, 0.5}), parameters, some_options());
  check_cell(nn::RecurrentDropout(lstm, 0.4), parameters, some_options());
  check_cell(nn::Residual(nn::RecurrentDropout(gru, 0.4)), parameters, some_options());
  const nn::LearnedState learned(parameters.scope(), lstm, nn::init::normal());
  check_cell(learned, parameters, some_options());
  check_cell(nn::RecurrentDropout(nn::Zoneout(learned, {0.2, 0.5}), 0.4), parameters,
             some_options());
}

TEST_CASE("passes agree on layers with dropout of whole sequences and residuals", "[passes][nn]") {
  const nn::LayerOptions options{
      .layers = 3, .dropout = 0.3, .input_dropout = 0.3, .locked_dropout = true, .residual = true};
  check_layer<nn::LSTM>({.layer = options, .lengths = {4, 2, 3}}, some_options());
  check_layer<nn::GRU>({.layer = options, .own_initial_state = false}, some_options());
}

TEST_CASE("passes agree on a cell that counts", "[passes][nn]") {
  ParameterSet parameters(4);
  const Parameter scale = parameters.scope().parameter("scale", {kInput}, nn::init::normal());
  const CountingCell cell{kInput};
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    const Variable x = data_input(tape, set, {kSteps, kBatch, kInput}, data) * scale;
    return recorded(tape, set, nn::unroll(cell, x, {.lengths = {1, 4, 2}}), data);
  };
  check_law(model, parameters, some_options());
}

TEST_CASE("passes agree on cells on top of each other", "[passes][nn]") {
  ParameterSet parameters(4);
  std::vector<nn::LSTMCell> layers;
  layers.emplace_back(parameters.scope("0"), kInput, kHidden);
  layers.emplace_back(parameters.scope("1"), kHidden, kHidden);
  check_cell(nn::StackedCell<nn::LSTMCell>(layers, 0.3), parameters, some_options());
}

TEST_CASE("passes agree on ctc_loss", "[passes][nn][ctc]") {
  ParameterSet parameters(4);
  const Parameter scale = parameters.scope().parameter("scale", {kInput + 1}, nn::init::normal());
  for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths{4, 0, 3}}) {
    const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      const Variable x = data_input(tape, set, {kSteps, kBatch, kInput + 1}, data) * scale;
      Tensor targets = data_ids({kBatch, 2}, data, kInput);
      for (std::int32_t& id : targets.mutable_data<std::int32_t>()) ++id;
      return Recorded{nn::ctc_loss(
          log_softmax(x), targets,
          {.input_lengths = lengths, .target_lengths = {2, 1, 0}, .zero_infinity = true})};
    };
    check_law(model, parameters, lengths.given() ? some_options() : all_options());
  }
}

TEST_CASE("passes agree on Crf", "[passes][nn][crf]") {
  ParameterSet parameters(4);
  const nn::Crf crf(parameters.scope(), kInput, {.products = GENERATE(false, true)});
  const Parameter scale = parameters.scope().parameter("scale", {kInput}, nn::init::normal());
  for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths{4, 0, 1}}) {
    const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      const Variable x = data_input(tape, set, {kSteps, kBatch, kInput}, data) * scale;
      const Tensor tags = data_ids({kSteps, kBatch}, data, kInput);
      return Recorded{crf.loss(x, tags, {.lengths = lengths}), {crf.marginals(x, lengths)}};
    };
    check_law(model, parameters, lengths.given() ? some_options() : all_options());
  }
}
