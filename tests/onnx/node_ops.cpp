// ONNX's ops by means of ours (github.com/onnx/onnx/blob/main/docs/Operators.md).
#include <unroll/tests/onnx/node_ops.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/ops/ops.h>

namespace unroll::testing {

namespace {

using Node = OnnxNode;
using Unary = Variable (*)(const Operand&);
using Binary = Variable (*)(const Operand&, const Operand&);

std::vector<std::int64_t> integers_of(const Tensor& x) {
  std::vector<std::int64_t> values;
  for (const std::int32_t v : x.data<std::int32_t>()) values.push_back(v);
  return values;
}

/// The same axes, counted from the front.
int from_front(std::int64_t axis, int rank) {
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

/// Ids below 0 count from the end.
Variable ids_from_front(Tape& tape, const Tensor& ids, std::int64_t extent) {
  std::vector<std::int32_t> result;
  for (const std::int64_t id : integers_of(ids)) {
    result.push_back(static_cast<std::int32_t>(id < 0 ? id + extent : id));
  }
  return tape.input(Tensor(ids.shape(), result));
}

NodeOp unary(Unary op) {
  return [op](Tape& tape, const Node& node) { return Variables{op(tape.input(node.input(0)))}; };
}

/// Of two inputs or more, from the left.
NodeOp binary(Binary op) {
  return [op](Tape& tape, const Node& node) {
    Variable result = tape.input(node.input(0));
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
      result = op(result, tape.input(node.input(i)));
    }
    return Variables{result};
  };
}

/// An op with attributes of the node.
NodeOp with_node(const std::function<Variable(const Variable& x, const Node& node)>& op) {
  return
      [op](Tape& tape, const Node& node) { return Variables{op(tape.input(node.input(0)), node)}; };
}

/// The integers that ONNX moved from an attribute to an input.
std::vector<std::int64_t> setting(const Node& node, const std::string& name, std::size_t input) {
  return node.has(input) ? integers_of(node.input(input)) : node.integers(name);
}

NodeOp reduction(const std::function<Variable(const Variable&, const Axes&, bool)>& op) {
  return with_node([op](const Variable& x, const Node& node) {
    const bool keepdims = node.integer("keepdims", 1) != 0;
    const auto list = setting(node, "axes", 1);
    const auto axis = [&](std::size_t k) { return static_cast<int>(list[k]); };
    switch (list.size()) {
      case 0: return node.integer("noop_with_empty_axes", 0) != 0 ? x : op(x, {}, keepdims);
      case 1: return op(x, {axis(0)}, keepdims);
      case 2: return op(x, {axis(0), axis(1)}, keepdims);
      case 3: return op(x, {axis(0), axis(1), axis(2)}, keepdims);
      default: throw ValueError("reduction: so many axes are not in the tests");
    }
  });
}

Variable power(Tape& tape, const Node& node) {
  const Tensor& x = node.input(0);
  return pow(tape.input(x), tape.input(node.input(1).to(x.dtype())));
}

Variable clip(const Variable& x, const Node& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return clamp(x, node.has(1) ? node.input(1).item() : node.number("min", -kInfinity),
               node.has(2) ? node.input(2).item() : node.number("max", kInfinity));
}

Variable gather_rows(Tape& tape, const Node& node) {
  const Tensor& x = node.input(0);
  const int rank = x.shape().rank();
  const int axis = from_front(node.integer("axis", 0), rank);
  const int id_rank = node.input(1).shape().rank();
  std::vector<int> to_front{axis}, back;
  for (int k = 0; k < rank; ++k) {
    if (k != axis) to_front.push_back(k);
  }
  for (int k = 0; k < axis; ++k) back.push_back(id_rank + k);
  for (int k = 0; k < id_rank; ++k) back.push_back(k);
  for (int k = axis + 1; k < rank; ++k) back.push_back(id_rank + k - 1);
  const Variable taken = take_rows(permute(tape.input(x), to_front),
                                   ids_from_front(tape, node.input(1), x.shape()[axis]));
  return permute(taken, back);
}

Variable gather_elements(Tape& tape, const Node& node) {
  const Tensor& x = node.input(0);
  const int axis = from_front(node.integer("axis", 0), x.shape().rank());
  return gather(tape.input(x), axis, ids_from_front(tape, node.input(1), x.shape()[axis]));
}

/// Over the axes from `axis` on, with their mean and 1 / deviation.
Variables normalization(Tape& tape, const Node& node) {
  const Shape& shape = node.input(0).shape();
  const int axis = from_front(node.integer("axis", -1), shape.rank());
  std::vector<std::int64_t> outer(static_cast<std::size_t>(shape.rank()), 1);
  std::int64_t rows = 1;
  for (int k = 0; k < axis; ++k) rows *= outer[static_cast<std::size_t>(k)] = shape[k];
  const std::int64_t width = shape.size() / rows;
  const double epsilon = node.number("epsilon", 1e-5);
  const Variable x = reshape(tape.input(node.input(0)), {rows, width});
  const auto of_width = [&](std::size_t i) { return reshape(tape.input(node.input(i)), {width}); };
  return {reshape(layer_norm(x, of_width(1), of_width(2), epsilon), shape),
          reshape(mean(x, 1), Shape(outer)), reshape(rsqrt(var(x, 1, 0) + epsilon), Shape(outer))};
}

/// Scores [N, C, ...], labels [N, ...]: the loss and log-probabilities.
Variables softmax_cross_entropy(Tape& tape, const Node& node) {
  const Variable scores = tape.input(node.input(0));
  std::vector<int> classes_last{0};
  for (int k = 2; k < scores.shape().rank(); ++k) classes_last.push_back(k);
  classes_last.push_back(1);
  const std::string reduction = node.text("reduction", "mean");
  CrossEntropyOptions options;
  options.ignore_index = static_cast<std::int32_t>(node.integer("ignore_index", -100));
  if (reduction == "sum") options.reduction = Reduction::sum;
  if (reduction == "none") options.reduction = Reduction::none;
  return {cross_entropy(permute(scores, classes_last), tape.input(node.input(1)), options),
          log_softmax(scores, 1)};
}

Variables gemm(Tape& tape, const Node& node) {
  const auto matrix = [&](std::size_t i, const char* transposed) {
    const Variable x = tape.input(node.input(i));
    return node.integer(transposed, 0) != 0 ? transpose(x) : x;
  };
  const Variable product = matmul(matrix(0, "transA"), matrix(1, "transB"));
  const Variable scaled = product * node.number("alpha", 1);
  return {node.has(2) ? scaled + tape.input(node.input(2)) * node.number("beta", 1) : scaled};
}

Variable cumulative(const Variable& x, const Node& node) {
  const int axis = from_front(node.input(1).item(), x.shape().rank());
  const bool reverse = node.integer("reverse", 0) != 0;
  const Variable forward = reverse ? flip(x, axis) : x;
  Variable sums = cumsum(forward, axis);
  if (node.integer("exclusive", 0) != 0) sums = sums - forward;
  return reverse ? flip(sums, axis) : sums;
}

Variable reshaped(const Variable& x, const Node& node) {
  std::vector<std::int64_t> extents = integers_of(node.input(1));
  std::int64_t known = 1;
  for (std::size_t k = 0; k < extents.size(); ++k) {
    if (extents[k] == 0 && node.integer("allowzero", 0) == 0) {
      extents[k] = x.shape()[static_cast<int>(k)];
    }
    if (extents[k] != -1) known *= extents[k];
  }
  for (std::int64_t& extent : extents) {
    if (extent == -1) extent = x.shape().size() / known;
  }
  return reshape(x, Shape(extents));
}

Variable permuted(const Variable& x, const Node& node) {
  std::vector<int> order;
  for (const std::int64_t axis : node.integers("perm")) order.push_back(static_cast<int>(axis));
  for (int k = x.shape().rank(); order.size() < static_cast<std::size_t>(x.shape().rank());) {
    order.push_back(--k);
  }
  return permute(x, order);
}

Variable sliced(Variable x, const Node& node) {
  const auto starts = integers_of(node.input(1)), ends = integers_of(node.input(2));
  for (std::size_t k = 0; k < starts.size(); ++k) {
    const std::int64_t axis = node.has(3) ? integers_of(node.input(3))[k] : std::int64_t(k);
    const std::int64_t step = node.has(4) ? integers_of(node.input(4))[k] : 1;
    x = slice(x, from_front(axis, x.shape().rank()), starts[k], ends[k], step);
  }
  return x;
}

/// Whole numbers may be written as an attribute of the node's own.
Tensor constant(const Node& node) {
  if (node.says("value")) return node.attributes.at("value").tensor.value();
  const auto integers = node.integers("value_ints");
  const std::vector<std::int32_t> values(integers.begin(), integers.end());
  return Tensor(Shape{std::int64_t(values.size())}, values);
}

Variables joined(Tape& tape, const Node& node) {
  Variables parts;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) parts.push_back(tape.input(node.input(i)));
  return {concat(parts, static_cast<int>(node.integer("axis", 0)))};
}

Variable logarithmic_softmax(const Variable& x, const Node& node) {
  return log_softmax(x, static_cast<int>(node.integer("axis", -1)));
}

std::map<std::string, NodeOp> make_node_ops() {
  std::map<std::string, NodeOp> ops{
      {"RNN", recurrent_node},
      {"LSTM", recurrent_node},
      {"GRU", recurrent_node},
      {"MatMul", binary(matmul)},
      {"Gemm", gemm},
      {"LayerNormalization", normalization},
      {"SoftmaxCrossEntropyLoss", softmax_cross_entropy},
      {"Concat", joined},
      {"Constant", [](Tape& tape, const Node& n) { return Variables{tape.input(constant(n))}; }},
      {"Gather", [](Tape& tape, const Node& n) { return Variables{gather_rows(tape, n)}; }},
      {"GatherElements",
       [](Tape& tape, const Node& n) { return Variables{gather_elements(tape, n)}; }},
      {"Pow", [](Tape& tape, const Node& n) { return Variables{power(tape, n)}; }},
      {"Where", [](Tape& tape, const Node& n) {
         return Variables{
             where(tape.input(n.input(0)), tape.input(n.input(1)), tape.input(n.input(2)))};
       }}};
  const std::map<std::string, Unary> unary_ops{
      {"Abs", abs},   {"Neg", neg},           {"Sqrt", sqrt},        {"Exp", exp},
      {"Log", log},   {"Sin", sin},           {"Cos", cos},          {"Erf", erf},
      {"Sign", sign}, {"Gelu", gelu},         {"Tanh", tanh},        {"Sigmoid", sigmoid},
      {"Relu", relu}, {"Softplus", softplus}, {"Softsign", softsign}};
  for (const auto& [name, op] : unary_ops) ops[name] = unary(op);
  const std::map<std::string, Binary> binary_ops{
      {"Add", add},         {"Sub", sub},
      {"Mul", mul},         {"Div", div},
      {"Sum", add},         {"Min", min},
      {"Max", max},         {"Equal", equal},
      {"Less", less},       {"LessOrEqual", less_equal},
      {"Greater", greater}, {"GreaterOrEqual", greater_equal}};
  for (const auto& [name, op] : binary_ops) ops[name] = binary(op);
  const std::map<std::string, std::function<Variable(const Variable&, const Node&)>> others{
      {"Reciprocal", [](const Variable& x, const Node&) { return 1 / x; }},
      {"Clip", clip},
      {"Elu", [](const Variable& x, const Node& n) { return elu(x, n.number("alpha", 1)); }},
      {"LeakyRelu",
       [](const Variable& x, const Node& n) { return leaky_relu(x, n.number("alpha", 0.01)); }},
      {"Softmax",
       [](const Variable& x, const Node& n) {
         return softmax(x, static_cast<int>(n.integer("axis", -1)));
       }},
      {"LogSoftmax", logarithmic_softmax},
      {"ArgMax",
       [](const Variable& x, const Node& n) {
         return argmax(x, static_cast<int>(n.integer("axis", 0)), n.integer("keepdims", 1) != 0);
       }},
      {"CumSum", cumulative},
      {"Reshape", reshaped},
      {"Transpose", permuted},
      {"Slice", sliced},
      {"Expand", [](const Variable& x, const Node& n) {
         return expand(x, broadcast(x.shape(), Shape(integers_of(n.input(1)))));
       }}};
  for (const auto& [name, op] : others) ops[name] = with_node(op);
  ops["ReduceSum"] = reduction([](auto& x, auto& axes, bool keep) { return sum(x, axes, keep); });
  ops["ReduceMean"] = reduction([](auto& x, auto& axes, bool keep) { return mean(x, axes, keep); });
  ops["ReduceMax"] = reduction([](auto& x, auto& axes, bool keep) { return max(x, axes, keep); });
  ops["ReduceMin"] = reduction([](auto& x, auto& axes, bool keep) { return min(x, axes, keep); });
  ops["ReduceL2"] = reduction([](auto& x, auto& axes, bool keep) { return norm(x, axes, keep); });
  ops["ReduceLogSumExp"] =
      reduction([](auto& x, auto& axes, bool keep) { return logsumexp(x, axes, keep); });
  return ops;
}

}  // namespace

const std::map<std::string, NodeOp>& node_ops() {
  static const auto ops = make_node_ops();
  return ops;
}

}  // namespace unroll::testing
