// The lists behind a tape: forgetting all, forgetting what a failed call recorded, finding
// parameters.
#include <unroll/autograd/tape_state.h>

#include <algorithm>
#include <bit>
#include <exception>
#include <tuple>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>

namespace unroll {

void TapeState::clear() {
  ++generation;
  nodes.clear();
  inputs.clear();
  attributes.clear();
  types.clear();
  values.clear();
  value_of.clear();
  leaves.clear();
  parameters.clear();
  std::ranges::fill(parameter_slots, 0u);
  kept.release();
  structure = 0;
  random_counter = 0;
}

void TapeState::roll_back(const Mark& mark) {
  nodes.resize(mark.nodes);
  values.resize(mark.nodes);
  value_of.resize(mark.nodes);
  inputs.resize(mark.inputs);
  attributes.resize(mark.attributes);
  types.shrink(mark.types);
  leaves.resize(mark.leaves);
  structure = mark.structure;
  random_counter = mark.random_counter;
  if (parameters.size() == mark.parameters) return;
  parameters.erase(parameters.begin() + static_cast<std::ptrdiff_t>(mark.parameters),
                   parameters.end());
  parameter_slots.clear();  // filled again when they are looked at
}

void TapeState::undo(const Mark& mark) {
  const auto members = [](const Mark& m) {
    return std::tie(m.nodes, m.inputs, m.attributes, m.leaves, m.parameters, m.structure,
                    m.random_counter);
  };
  const Mark now = this->mark();
  if (members(now) == members(mark)) return;
  roll_back(mark);
  for (std::uint32_t n = 0; n < nodes.size(); ++n) {
    if (values[n] != nullptr && nodes[n].input_count > 0) structure = hash_with(structure, n);
  }
}

std::uint32_t& TapeState::parameter_slot(const Parameter& wanted) {
  const auto find = [&](const Parameter& parameter) -> std::uint32_t& {
    const void* const value = &parameter.value();
    std::size_t at = hash_with(0, reinterpret_cast<std::uintptr_t>(value));
    for (;; ++at) {
      std::uint32_t& slot = parameter_slots[at & (parameter_slots.size() - 1)];
      if (slot == 0 || &parameters[slot - 1].parameter.value() == value) return slot;
    }
  };
  if (parameter_slots.size() < 2 * parameters.size() + 2) {
    parameter_slots.assign(std::bit_ceil(4 * parameters.size() + 16), 0);
    for (std::uint32_t i = 0; i < parameters.size(); ++i) find(parameters[i].parameter) = i + 1;
  }
  return find(wanted);
}

namespace detail {

void refuse_two_tapes() {
  throw StateError("operands are on different tapes; carry a value over by tape.input(x.value())");
}

void expect_one_tape(std::initializer_list<std::reference_wrapper<const Variable>> operands) {
  const Variable& first = *operands.begin();
  for (const Variable& operand : operands) {
    if (operand.defined() && &operand.state() != &first.state()) refuse_two_tapes();
  }
}

Recording::Recording(TapeState& state, const Location* where)
    : state_(state),
      before_(state.mark()),
      generation_(state.generation),
      exceptions_(std::uncaught_exceptions()),
      attributes_(where != nullptr && state.rule_location == nullptr) {
  if (attributes_) state_.rule_location = where;
}

Recording::~Recording() {
  if (attributes_) state_.rule_location = nullptr;
  const bool failed = std::uncaught_exceptions() > exceptions_;
  if (failed && state_.generation == generation_) state_.undo(before_);
}

}  // namespace detail

Signature signature_of(const TapeState& state, const Node& node,
                       RecycledVector<const Type*>& scratch) {
  scratch.clear();
  for (const std::uint32_t input : state.inputs_of(node)) {
    scratch.push_back(state.nodes[input].type);
  }
  return {scratch, state.attributes_of(node)};
}

}  // namespace unroll
