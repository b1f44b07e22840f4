// ONNX's recurrent layers by means of ours. Its gates come in another order, and its GRU resets h
// before the product with the weights unless told otherwise: a cell of a few lines.
#include <unroll/nn/nn.h>
#include <unroll/tests/onnx/node_ops.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

namespace {

/// Of ONNX's [i, o, f, c] and [z, r, h], where our first, second, ... gate is.
const std::map<std::string, std::vector<std::int64_t>> kGates{
    {"RNN", {0}}, {"LSTM", {0, 2, 3, 1}}, {"GRU", {1, 0, 2}}, {"peephole", {0, 2, 1}}};

/// The blocks of `hidden` rows of x, its leading axis of one direction gone, in our order.
Tensor gates_in_our_order(const Tensor& x, const std::string& kind, std::int64_t hidden,
                          std::int64_t first = 0) {
  Tape tape;
  Variables gates;
  const Variable rows = select(tape.input(x), 0, 0);
  for (const std::int64_t gate : kGates.at(kind)) {
    const std::int64_t begin = first + gate * hidden;
    gates.push_back(slice(rows, 0, begin, begin + hidden));
  }
  return concat(gates, 0).value();
}

/// The default of ONNX's GRU:  n = tanh(W_n x + b_n + U_n (r h) + c_n).
struct ResetBeforeGRUCell {
  nn::RecurrentWeights weights;

  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return weights.zeros(like, batch);
  }
  Variable step(const Variable& x, const Variable& h) const {
    const Variable of_x = weights.from_input(x), of_h = weights.from_hidden(h);
    const Variable r = sigmoid(weights.gate(of_x, 0) + weights.gate(of_h, 0));
    const Variable z = sigmoid(weights.gate(of_x, 1) + weights.gate(of_h, 1));
    const Variable n = tanh(weights.gate(of_x, 2) + weights.gate(weights.from_hidden(r * h), 2));
    return n + z * (h - n);
  }
};

Tensor or_zeros(const OnnxNode& node, std::size_t input, const Shape& shape) {
  return node.has(input) ? node.input(input) : Tensor(shape);
}

/// Y [T, 1, B, H] and the last states [1, B, H]; with layout 1 [B, T, 1, H] and [B, 1, H].
template <class Cell>
Variables run(Tape& tape, const OnnxNode& node, const Cell& cell) {
  using S = nn::StateOf<Cell>;
  const bool batch_first = node.integer("layout", 0) != 0;
  nn::UnrollOptions<S> options{.batch_first = batch_first};
  if (node.has(4)) options.lengths = node.input(4);
  const Variable x = tape.input(node.input(0));
  if (node.has(5)) {
    S state = cell.initial_state(x, x.shape()[batch_first ? 0 : 1]);
    std::size_t input = 5;
    nn::for_each_variable(state, [&](Variable& v) {
      v = select(tape.input(node.input(input++)), batch_first ? 1 : 0, 0);
    });
    options.initial_state = state;
  }
  const auto [y, last] = nn::unroll(cell, x, options);
  const auto with_direction = [](const Variable& v, int axis) { return stack({v}, axis); };
  Variables outputs{with_direction(y, batch_first ? 2 : 1)};
  for (const Variable& v : nn::state_variables(last)) {
    outputs.push_back(with_direction(v, batch_first ? 1 : 0));
  }
  return outputs;
}

}  // namespace

Variables recurrent_node(Tape& tape, const OnnxNode& node) {
  const std::int64_t hidden = node.integer("hidden_size", 0);
  const std::int64_t in = node.input(1).shape()[2];
  const auto gates = static_cast<std::int64_t>(kGates.at(node.op).size());
  for (const auto& [name, attribute] : node.attributes) {
    REQUIRE((name == "hidden_size" || name == "layout" || name == "linear_before_reset"));
  }
  ParameterSet parameters;
  const nn::RecurrentWeights weights(parameters.scope(), gates, in, hidden, {});
  const Tensor biases = or_zeros(node, 3, {1, 2 * gates * hidden});
  const auto ours = [&](const Tensor& x, std::int64_t first = 0) {
    return gates_in_our_order(x, node.op, hidden, first);
  };
  weights.weight_ih.assign(ours(node.input(1)));
  weights.weight_hh.assign(ours(node.input(2)));
  weights.bias_ih.assign(ours(biases));
  weights.bias_hh.assign(ours(biases, gates * hidden));

  const auto filled = [&]<class Cell>(Cell cell) {
    cell.weights = weights;
    return run(tape, node, cell);
  };
  const Scope scope = parameters.scope("cell");
  if (node.op == "RNN") return filled(nn::RNNCell(scope, in, hidden));
  if (node.op == "GRU") {
    if (node.integer("linear_before_reset", 0) != 0) return filled(nn::GRUCell(scope, in, hidden));
    return run(tape, node, ResetBeforeGRUCell{weights});
  }
  if (!node.has(7)) return filled(nn::LSTMCell(scope, in, hidden));
  const nn::PeepholeLSTMCell cell(scope, in, hidden);
  cell.peephole.assign(gates_in_our_order(node.input(7), "peephole", hidden));
  return filled(cell);
}

}  // namespace unroll::testing
