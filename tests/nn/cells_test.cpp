// Gradients of every cell, in float64, alone and through time.
#include <unroll/autograd/gradcheck.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using unroll::testing::CountingCell;
using unroll::testing::MinimalGatedCell;

namespace {

/// A random contraction of everything in `values`.
Variable contracted(const Variables& values, std::uint64_t seed) {
  Variable total;
  for (const Variable& value : values) {
    const Tensor weights = random_uniform(value.shape(), ++seed);
    const Variable part = sum(value * nn::input_like(value, weights));
    total = total.defined() ? total + part : part;
  }
  return total;
}

/// Checks the gradients of a ragged walk by the parameters, the inputs and the initial state.
template <class Cell>
void check_cell(const Cell& cell, nn::ParameterSet& parameters, bool reverse) {
  const nn::Scope scope = parameters.scope("sources");
  const nn::Parameter x = scope.parameter("x", {4, 3, 2}, nn::init::uniform(-1, 1));
  Tape probe;
  std::vector<nn::Parameter> start;
  for (const Variable& v : nn::state_variables(cell.initial_state(probe.input(x.value()), 3))) {
    start.push_back(
        scope.parameter(std::to_string(start.size()), v.shape(), nn::init::uniform(-1, 1)));
  }
  const auto report = gradcheck(parameters, [&](Tape& tape) {
    const Variable inputs = tape.use(x);
    auto state = cell.initial_state(inputs, 3);
    nn::for_each_variable(state, [&, i = 0U](Variable& v) mutable { v = tape.use(start[i++]); });
    const auto walked = nn::unroll(
        cell, inputs, {.lengths = {4, 0, 2}, .reverse = reverse, .initial_state = state});
    Variables results = nn::state_variables(walked.last);
    results.push_back(walked.outputs);
    return contracted(results, 17);
  });
  INFO(report.message);
  CHECK(report.ok);
}

template <class Cell, class... Options>
void check_made(const Options&... options) {
  for (const bool reverse : {false, true}) {
    nn::ParameterSet parameters(3, Dtype::float64);
    const Cell cell(parameters.scope("cell"), 2, 3, options...);
    check_cell(cell, parameters, reverse);
  }
}

}  // namespace

TEST_CASE("Gradients of the built-in cells", "[nn]") {
  check_made<nn::RNNCell>();
  check_made<nn::RNNCell>(nn::RNNCellOptions{.activation = nn::RNNActivation::relu});
  check_made<nn::LSTMCell>(nn::LSTMCellOptions{.forget_bias = 1});
  check_made<nn::LSTMCell>(nn::LSTMCellOptions{.projection = 2});
  check_made<nn::GRUCell>();
  check_made<nn::GRUCell>(nn::GRUCellOptions{.weights = {.bias = false}});
  check_made<nn::PeepholeLSTMCell>();
  check_made<nn::CoupledLSTMCell>();
  check_made<nn::LayerNormLSTMCell>(nn::LayerNormCellOptions{.epsilon = 0.1});
  check_made<nn::LayerNormGRUCell>(nn::LayerNormCellOptions{.epsilon = 0.1});
  check_made<nn::MinimalGatedCell>();
}

TEST_CASE("Cells without biases have no such parameters", "[nn]") {
  nn::ParameterSet parameters;
  const nn::LSTMCell cell(parameters.scope(), 2, 3, {.weights = {.bias = false}});
  CHECK(parameters.size() == 2);
  CHECK_FALSE(cell.weights.bias_ih.defined());
  CHECK_FALSE(cell.weights.bias_hh.defined());
  const Scope other = parameters.scope("other");
  CHECK_THROWS_AS(nn::LSTMCell(other, 2, 3, {.forget_bias = 1, .weights = {.bias = false}}),
                  ValueError);
  CHECK_THROWS_AS(nn::LayerNormGRUCell(other, 2, 3, {.weights = {.bias = false}}), ValueError);
  CHECK(parameters.size() == 2);
}

TEST_CASE("Gradients of wrapped cells, masks included", "[nn]") {
  nn::ParameterSet parameters(3, Dtype::float64);
  const nn::LSTMCell lstm(parameters.scope("lstm"), 2, 2);
  const nn::GRUCell gru(parameters.scope("gru"), 2, 2);
  check_cell(nn::Zoneout(lstm, {0.3, 0.6}), parameters, false);
  nn::ParameterSet others(3, Dtype::float64);
  check_cell(nn::Residual(nn::RecurrentDropout(nn::GRUCell(others.scope("gru"), 2, 2), 0.4)),
             others, true);
  const nn::LearnedState learned(parameters.scope("learned"), nn::RecurrentDropout(gru, 0.4),
                                 nn::init::normal());
  const Tensor x = testing::uniform({3, 2, 2});
  const auto report = gradcheck(parameters, [&](Tape& tape) {
    return contracted({nn::unroll(learned, tape.input(x), {.lengths = {3, 1}}).outputs}, 5);
  });
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Gradients of cells that users write", "[nn]") {
  check_made<MinimalGatedCell>();
  const CountingCell cell{2};
  const Tensor x = testing::uniform({3, 2, 2});
  const auto report = gradcheck(
      [&](std::span<const Variable> inputs) {
        return nn::unroll(cell, inputs[0], {.lengths = {3, 1}}).outputs;
      },
      {x});
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Gradients of stacks, by layers and by steps", "[nn]") {
  nn::ParameterSet parameters(5, Dtype::float64);
  const nn::Scope top = parameters.scope("stack");
  const std::vector<MinimalGatedCell> cells{{top / "0", 2, 2}, {top / "1", 2, 2}};
  const nn::StackedRNN by_layer(cells);
  const nn::StackedCell by_step(cells);
  const nn::GRU two_ways(parameters.scope("gru"), 2, 2, {.layers = 2, .bidirectional = true});
  const Tensor x = testing::uniform({3, 2, 2});
  const auto report = gradcheck(parameters, [&](Tape& tape) {
    const Variable inputs = tape.input(x);
    return contracted(
        {two_ways(inputs, {.lengths = {2, 3}}).outputs,
         by_layer(inputs, {.lengths = {2, 3}}).outputs, nn::unroll(by_step, inputs).outputs},
        40);
  });
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Second derivatives go through time", "[nn]") {
  nn::ParameterSet parameters(6, Dtype::float64);
  const nn::LSTMCell cell(parameters.scope(), 2, 2);
  const auto report = gradgradcheck(
      [&](std::span<const Variable> inputs) {
        return nn::unroll(cell, inputs[0], {.lengths = {3, 2}}).outputs;
      },
      {testing::uniform({3, 2, 2})});
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("A stack of layers and a stack of cells compute the same", "[nn]") {
  nn::ParameterSet parameters(7, Dtype::float64);
  const nn::LSTM lstm(parameters.scope(), 2, 3, {.layers = 3});
  const nn::StackedCell stacked(lstm.cells());
  Tape tape;
  const Variable x = tape.input(testing::uniform({4, 2, 2}));
  const Tensor a = lstm(x, {.lengths = {4, 2}}).outputs.value();
  const Tensor b = nn::unroll(stacked, x, {.lengths = {4, 2}}).outputs.value();
  REQUIRE(a.shape() == b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a.at(i) == Approx(b.at(i)).margin(1e-14));
}
