// The reverse sweep and the public functions on top of it.
#include <unroll/autograd/gradients.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <unroll/autograd/error.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/reverse.h>

namespace unroll {

namespace detail {

Reverse::Reverse(std::shared_ptr<TapeState> shared, std::uint32_t first, std::uint32_t last,
                 std::span<const std::uint32_t> wrt)
    : shared_(std::move(shared)), first_(first), last_(last), wrt_(wrt.begin(), wrt.end()) {
  const std::uint32_t count = last + 1 - first;
  slots_.resize(count);
  for (const std::uint32_t node : wrt_) {
    if (node < first) {
      const auto [entry, is_new] =
          outside_.try_emplace(node, static_cast<std::uint32_t>(slots_.size()));
      if (is_new) slots_.emplace_back();
      slots_[entry->second].depends = true;
    } else if (node <= last) {
      slots_[node - first].depends = true;
    }
  }
  for (std::uint32_t i = first; i <= last; ++i) {
    const Node& node = shared_->nodes[i];
    Slot& slot = slots_[i - first];
    if (slot.depends || !node.differentiable) continue;
    const auto inputs = shared_->inputs_of(node);
    slot.depends = std::ranges::any_of(inputs, [&](std::uint32_t input) { return wanted(input); });
  }
}

const Reverse::Slot* Reverse::find(std::uint32_t node) const {
  if (node > last_) return nullptr;
  if (node >= first_) return &slots_[node - first_];
  const auto found = outside_.find(node);
  return found == outside_.end() ? nullptr : &slots_[found->second];
}

bool Reverse::wanted(std::uint32_t node) const {
  const Slot* slot = find(node);
  return slot != nullptr && slot->depends && is_floating(shared_->nodes[node].type.dtype);
}

void Reverse::add(std::uint32_t node, std::uint32_t contribution) {
  if (!wanted(node)) return;
  auto& slot = const_cast<Slot&>(*find(node));
  const auto entry = static_cast<std::uint32_t>(pool_.size());
  pool_.push_back({contribution, TapeState::kNone});
  if (slot.tail == TapeState::kNone) {
    slot.head = entry;
  } else {
    pool_[slot.tail].next = entry;
  }
  slot.tail = entry;
}

std::vector<std::uint32_t> Reverse::list(const Slot& slot) const {
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = slot.head; i != TapeState::kNone; i = pool_[i].next) {
    result.push_back(pool_[i].node);
  }
  return result;
}

std::uint32_t Reverse::sum(Slot& slot, const Location& where) {
  if (slot.head == slot.tail) return slot.head == TapeState::kNone ? slot.head
                                                                    : pool_[slot.head].node;
  const std::uint32_t total = record_node(*shared_, accumulate_op(), list(slot), {}, where);
  pool_.push_back({total, TapeState::kNone});
  slot.head = slot.tail = static_cast<std::uint32_t>(pool_.size() - 1);
  return total;
}

void Reverse::sweep() {
  for (std::uint32_t i = last_ + 1; i-- > first_;) {
    Slot& slot = slots_[i - first_];
    // Copied: recording a rule may move the nodes.
    const Node node = shared_->nodes[i];
    if (!slot.depends || slot.head == TapeState::kNone || is_leaf(node)) continue;
    if (!node.differentiable) continue;
    shared_->rule_location = &node.where;
    try {
      Derivation derivation(*this, i, sum(slot, node.where));
      node.op->derive(derivation);
    } catch (...) {
      shared_->rule_location = nullptr;
      throw;
    }
    shared_->rule_location = nullptr;
  }
}

std::vector<std::uint32_t> Reverse::contributions(std::size_t k) const {
  const Slot* slot = find(wrt_[k]);
  return slot == nullptr ? std::vector<std::uint32_t>{} : list(*slot);
}

std::uint32_t Reverse::total(std::size_t k) {
  auto* slot = const_cast<Slot*>(find(wrt_[k]));
  return slot == nullptr ? TapeState::kNone : sum(*slot, shared_->nodes[wrt_[k]].where);
}

}  // namespace detail

namespace {

/// Joins the computed (ids, rows) operands of row-sparse nodes.
SparseRows joined_rows(const std::shared_ptr<TapeState>& state,
                       std::span<const std::uint32_t> nodes) {
  SparseRows result;
  std::vector<Tensor> parts;
  std::int64_t width = 0;
  for (const std::uint32_t node : nodes) {
    const auto inputs = state->inputs_of(state->nodes[node]);
    const Tensor ids = Variable(state, inputs[0], state->generation).value();
    result.ids.insert(result.ids.end(), ids.data<std::int32_t>().begin(),
                      ids.data<std::int32_t>().end());
    parts.push_back(Variable(state, inputs[1], state->generation).value());
    width = state->nodes[node].type.shape.extent(-1);
  }
  const auto count = static_cast<std::int64_t>(result.ids.size());
  result.rows = Tensor::uninitialized(Shape{count, width}, parts.front().dtype());
  auto* out = static_cast<std::byte*>(result.rows.mutable_raw());
  for (const Tensor& part : parts) {
    std::memcpy(out, part.raw(), part.bytes());
    out += part.bytes();
  }
  return result;
}

/// A loss must be one floating number.
const Variable& checked_loss(const Operand& loss) {
  if (loss.variable() == nullptr) {
    throw StateError(fmt::format("{}: gradients: the loss is not on a tape",
                                 to_string(loss.where())));
  }
  const Type type = loss.variable()->type();
  if (type.shape.size() != 1) {
    throw ShapeError(fmt::format(
        "{}: gradients: the loss has shape {}; expected one element, reduce it by sum or mean",
        to_string(loss.where()), to_string(type.shape)));
  }
  if (!is_floating(type.dtype)) {
    throw DtypeError(fmt::format("{}: gradients: the loss is {}; expected float32 or float64",
                                 to_string(loss.where()), name_of(type.dtype)));
  }
  return *loss.variable();
}

std::vector<std::uint32_t> indices_of(std::span<const Variable> variables,
                                      const TapeState& expected) {
  std::vector<std::uint32_t> result;
  for (const Variable& variable : variables) {
    if (&variable.state() != &expected) {
      throw StateError("gradients: the variables are on different tapes; expected one");
    }
    result.push_back(variable.index());
  }
  return result;
}

std::uint32_t ones(TapeState& state, std::uint32_t like) {
  const double one = 1;
  const Node& node = state.nodes[like];
  const auto index = static_cast<std::uint32_t>(state.nodes.size());
  Node constant = node;
  constant.op = &constant_op();
  constant.input_count = 0;
  constant.attributes = static_cast<std::uint32_t>(state.attributes.size());
  const auto bytes = std::as_bytes(std::span<const double, 1>(&one, 1));
  state.attributes.insert(state.attributes.end(), bytes.begin(), bytes.end());
  state.nodes.push_back(constant);
  state.values.push_back(nullptr);
  state.step_of.push_back(TapeState::kNone);
  return index;
}

}  // namespace

std::size_t Derivation::input_count() const {
  return reverse_.state().nodes[node_].input_count;
}

bool Derivation::wanted(std::size_t i) const {
  const TapeState& state = reverse_.state();
  return reverse_.wanted(state.inputs_of(state.nodes[node_])[i]);
}

Variable Derivation::handle(std::uint32_t node) const {
  return {reverse_.shared(), node, reverse_.state().generation};
}

Variable Derivation::input(std::size_t i) const {
  const TapeState& state = reverse_.state();
  return handle(state.inputs_of(state.nodes[node_])[i]);
}

Variable Derivation::output() const { return handle(node_); }
Variable Derivation::cotangent() const { return handle(cotangent_); }

Attributes Derivation::raw_attributes() const {
  return reverse_.state().attributes_of(reverse_.state().nodes[node_]);
}

void Derivation::add(std::size_t i, const Variable& contribution) {
  if (!wanted(i)) return;
  const Type expected = input(i).type(), got = contribution.type();
  if (!(expected == got)) {
    const Node& node = reverse_.state().nodes[node_];
    throw ShapeError(fmt::format("{}: derivative of {}: the contribution to input {} is {}; "
                                 "expected {}",
                                 to_string(node.where), node.op->name(), i, to_string(got),
                                 to_string(expected)));
  }
  const TapeState& state = reverse_.state();
  reverse_.add(state.inputs_of(state.nodes[node_])[i], contribution.index());
}

std::vector<Variable> vector_jacobian_product(std::span<const Variable> outputs,
                                              std::span<const Variable> cotangents,
                                              std::span<const Variable> wrt) {
  if (outputs.empty() || outputs.size() != cotangents.size()) {
    throw ValueError(fmt::format(
        "vector_jacobian_product: got {} outputs and {} cotangents; expected as many, at least one",
        outputs.size(), cotangents.size()));
  }
  if (wrt.empty()) return {};
  TapeState& state = outputs.front().state();
  const auto out = indices_of(outputs, state), seeds = indices_of(cotangents, state);
  const auto inputs = indices_of(wrt, state);
  detail::Reverse reverse(outputs.front().shared_state(), std::ranges::min(inputs),
                          std::max(std::ranges::max(out), std::ranges::min(inputs)), inputs);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!(state.nodes[out[i]].type == state.nodes[seeds[i]].type)) {
      throw ShapeError(fmt::format("vector_jacobian_product: cotangent {} is {}; expected {}", i,
                                   to_string(state.nodes[seeds[i]].type),
                                   to_string(state.nodes[out[i]].type)));
    }
    reverse.add(out[i], seeds[i]);
  }
  reverse.sweep();
  std::vector<Variable> result;
  for (std::size_t k = 0; k < wrt.size(); ++k) {
    const std::uint32_t total = reverse.total(k);
    result.push_back(total == TapeState::kNone
                         ? Variable()
                         : Variable(wrt[k].shared_state(), total, state.generation));
  }
  return result;
}

std::vector<Variable> gradients(const Operand& loss, std::span<const Variable> wrt) {
  const Variable& root = checked_loss(loss);
  indices_of(wrt, root.state());
  const Variable seed(root.shared_state(), ones(root.state(), root.index()),
                      root.state().generation);
  auto result = vector_jacobian_product(std::span(&root, 1), std::span(&seed, 1), wrt);
  for (std::size_t k = 0; k < wrt.size(); ++k) {
    if (result[k].defined()) continue;
    const Node& node = root.state().nodes[wrt[k].index()];
    throw StateError(fmt::format(
        "{}: gradients: the loss does not depend on variable {} ({} {}, recorded at {}) through "
        "differentiable ops",
        to_string(loss.where()), k, node.op->name(), to_string(node.type), to_string(node.where)));
  }
  return result;
}

void derive_through(Derivation& d, const Variable& rewritten, std::size_t first) {
  std::vector<std::uint32_t> inputs;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < d.input_count(); ++i) {
    const std::uint32_t input = d.input(i).index();
    if (!d.wanted(i) || std::ranges::find(inputs, input) != inputs.end()) continue;
    if (input == rewritten.index()) return d.add(i, d.cotangent());
    inputs.push_back(input);
    positions.push_back(i);
  }
  detail::Reverse reverse(rewritten.shared_state(), static_cast<std::uint32_t>(first),
                          rewritten.index(), inputs);
  reverse.add(rewritten.index(), d.cotangent().index());
  // The sweep sets and clears the place that new nodes are attributed to; ours stays in force.
  const Location* const where = reverse.state().rule_location;
  reverse.sweep();
  reverse.state().rule_location = where;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const std::uint32_t total = reverse.total(k);
    if (total == TapeState::kNone) continue;
    d.add(positions[k], Variable(rewritten.shared_state(), total, reverse.state().generation));
  }
}

Gradients gradients(const Operand& loss, const ParameterSet& parameters) {
  const Variable& root = checked_loss(loss);
  TapeState& state = root.state();
  std::vector<std::uint32_t> leaves;
  std::vector<std::size_t> position;
  for (const TapeState::ParameterUse& use : state.parameters) {
    const std::size_t i = use.parameter.index();
    if (i >= parameters.size() || !(parameters[i] == use.parameter)) continue;
    leaves.push_back(use.node);
    position.push_back(i);
  }
  const auto unrelated = [&] {
    return StateError(fmt::format("{}: gradients: the loss depends on no parameter of the set",
                                  to_string(loss.where())));
  };
  if (leaves.empty()) throw unrelated();
  const std::uint32_t seed = ones(state, root.index());
  const std::uint32_t first = std::ranges::min(leaves);
  detail::Reverse reverse(root.shared_state(), first, std::max(root.index(), first), leaves);
  reverse.add(root.index(), seed);
  reverse.sweep();

  // Row-sparse contributions stay apart: their dense sum would cost the whole table.
  std::vector<std::vector<std::uint32_t>> found(leaves.size());
  std::vector<std::uint32_t> roots{root.index()};
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    found[k] = reverse.contributions(k);
    const bool sparse = std::ranges::all_of(found[k], [&](std::uint32_t node) {
      return state.nodes[node].op->traits().row_sparse;
    });
    if (!sparse) found[k] = {reverse.total(k)};
    for (const std::uint32_t node : found[k]) {
      if (!sparse) {
        roots.push_back(node);
        continue;
      }
      const auto inputs = state.inputs_of(state.nodes[node]);
      roots.insert(roots.end(), inputs.begin(), inputs.begin() + 2);
    }
  }
  if (roots.size() == 1) throw unrelated();
  evaluate(state, roots, Keep::roots);

  Gradients result(parameters);
  const auto tensor_of = [&](std::uint32_t node) {
    return Variable(root.shared_state(), node, state.generation).value();
  };
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    if (found[k].empty()) continue;
    const Node& node = state.nodes[found[k].front()];
    if (node.op->traits().row_sparse) {
      result.set(position[k], {std::nullopt, joined_rows(root.shared_state(), found[k])});
    } else {
      result.set(position[k], {tensor_of(found[k].front()), {}});
    }
  }
  return result;
}

}  // namespace unroll
