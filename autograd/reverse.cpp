// The reverse sweep, and what a derivative rule sees of it.
#include <unroll/autograd/reverse.h>

#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/recorded_at.h>

namespace unroll {

namespace detail {

Reverse::Reverse(std::shared_ptr<TapeState> shared, std::uint32_t first, std::uint32_t last,
                 std::span<const std::uint32_t> wrt, bool rewriting)
    : shared_(std::move(shared)),
      first_(first),
      last_(last),
      wrt_(wrt.begin(), wrt.end()),
      rewriting_(rewriting) {
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
    if (slot.depends || !differentiable(node)) continue;
    const auto inputs = shared_->inputs_of(node);
    slot.depends = std::ranges::any_of(inputs, [&](std::uint32_t input) { return wanted(input); });
  }
}

std::uint32_t Reverse::slot_of(std::uint32_t node) const {
  if (node > last_) return TapeState::kNone;
  if (node >= first_) return node - first_;
  const auto found = outside_.find(node);
  return found == outside_.end() ? TapeState::kNone : found->second;
}

bool Reverse::wanted(std::uint32_t node) const {
  const std::uint32_t slot = slot_of(node);
  return slot != TapeState::kNone && slots_[slot].depends &&
         is_floating(shared_->nodes[node].type->dtype);
}

bool Reverse::asked_for(std::uint32_t node) const {
  return std::ranges::find(wrt_, node) != wrt_.end();
}

bool Reverse::differentiable(const Node& node) const {
  if (rewriting_) return is_floating(node.type->dtype) && node.op != &detach_op();
  return node.differentiable;
}

void Reverse::add(std::uint32_t node, std::uint32_t contribution) {
  if (!wanted(node)) return;
  Slot& slot = slots_[slot_of(node)];
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
  if (slot.head == TapeState::kNone) return slot.head;
  if (slot.head == slot.tail) return pool_[slot.head].node;
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
    if (!slot.depends || slot.head == TapeState::kNone) continue;
    if (is_leaf(node) || !differentiable(node)) continue;
    const RecordedAt attribution(*shared_, node.where);
    Derivation derivation(*this, i, sum(slot, node.where));
    node.op->derive(derivation);
  }
}

std::vector<std::uint32_t> Reverse::contributions(std::size_t k) const {
  const std::uint32_t slot = slot_of(wrt_[k]);
  return slot == TapeState::kNone ? std::vector<std::uint32_t>{} : list(slots_[slot]);
}

std::uint32_t Reverse::total(std::size_t k) {
  const std::uint32_t slot = slot_of(wrt_[k]);
  return slot == TapeState::kNone ? slot : sum(slots_[slot], shared_->nodes[wrt_[k]].where);
}

}  // namespace detail

std::size_t Derivation::input_count() const { return reverse_.state().nodes[node_].input_count; }

bool Derivation::wanted(std::size_t i) const {
  const TapeState& state = reverse_.state();
  return reverse_.wanted(state.inputs_of(state.nodes[node_])[i]);
}

Variable Derivation::handle(std::uint32_t node) const {
  return {reverse_.shared(), node, reverse_.state().generation};
}

bool Derivation::asked_for(std::size_t i) const {
  const TapeState& state = reverse_.state();
  return reverse_.asked_for(state.inputs_of(state.nodes[node_])[i]);
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
    throw ShapeError(fmt::format(
        "{}: derivative of {}: the contribution to input {} is {}; "
        "expected {}",
        to_string(node.where), node.op->name(), i, to_string(got), to_string(expected)));
  }
  const TapeState& state = reverse_.state();
  reverse_.add(state.inputs_of(state.nodes[node_])[i], contribution.index());
}

void derive_through(Derivation& d, const std::function<Variable()>& rewrite) {
  const auto first = static_cast<std::uint32_t>(d.output().state().nodes.size());
  const Variable rewritten = rewrite();
  std::vector<std::uint32_t> inputs;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < d.input_count(); ++i) {
    const std::uint32_t input = d.input(i).index();
    if (!d.wanted(i) || std::ranges::find(inputs, input) != inputs.end()) continue;
    if (input == rewritten.index()) return d.add(i, d.cotangent());
    inputs.push_back(input);
    positions.push_back(i);
  }
  detail::Reverse reverse(rewritten.shared_state(), first, rewritten.index(), inputs, true);
  reverse.add(rewritten.index(), d.cotangent().index());
  reverse.sweep();
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const std::uint32_t total = reverse.total(k);
    if (total == TapeState::kNone) continue;
    d.add(positions[k], Variable(rewritten.shared_state(), total, reverse.state().generation));
  }
}

}  // namespace unroll
