// Leaves on the tape of a given variable.
#include <unroll/nn/parameter.h>

#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/tape_state.h>

namespace unroll::nn {

namespace {

Variable leaf_like(const Variable& on_tape_of, const Op& op, const Tensor& value) {
  TapeState& state = on_tape_of.state();
  const auto index = static_cast<std::uint32_t>(state.nodes.size());
  Node node;
  node.op = &op;
  node.first_input = static_cast<std::uint32_t>(state.inputs.size());
  node.attributes = static_cast<std::uint32_t>(state.attributes.size());
  node.type = {value.dtype(), value.shape()};
  node.where = state.nodes[on_tape_of.index()].where;
  state.nodes.push_back(node);
  state.values.push_back(const_cast<void*>(value.raw()));
  state.step_of.push_back(TapeState::kNone);
  return {on_tape_of.shared_state(), index, state.generation};
}

}  // namespace

Variable use_like(const Variable& on_tape_of, const Parameter& parameter) {
  TapeState& state = on_tape_of.state();
  if (!parameter.defined()) throw StateError("the parameter is empty; create it in a Scope");
  const auto found = state.node_of_parameter.find(&parameter.value());
  if (found != state.node_of_parameter.end()) {
    return {on_tape_of.shared_state(), found->second, state.generation};
  }
  Variable leaf = leaf_like(on_tape_of, parameter_op(), parameter.value());
  state.node_of_parameter.emplace(&parameter.value(), leaf.index());
  state.parameters.push_back({parameter, leaf.index(), parameter.version()});
  return leaf;
}

Variable input_like(const Variable& on_tape_of, Tensor value) {
  std::vector<Tensor>& leaves = on_tape_of.state().leaves;
  leaves.push_back(std::move(value));
  return leaf_like(on_tape_of, input_op(), leaves.back());
}

}  // namespace unroll::nn
