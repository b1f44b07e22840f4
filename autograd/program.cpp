// From the pending nodes of a tape to a Program, and the order of its steps.
#include <unroll/autograd/program.h>

#include <algorithm>
#include <exception>
#include <utility>

#include <unroll/autograd/leaves.h>

namespace unroll {

namespace {

constexpr std::uint32_t kMarked = TapeState::kNone - 1;

/// Marks the pending ancestors of the roots and returns them in tape order. Without recursion:
/// operands precede their node, so one walk down the list meets every node after all its users.
std::vector<std::uint32_t> pending_ancestors(TapeState& state,
                                             std::span<const std::uint32_t> roots) {
  std::vector<std::uint32_t> found;
  std::size_t outstanding = 0;
  std::uint32_t i = 0;
  const auto mark = [&](std::uint32_t node) {
    if (state.values[node] != nullptr || state.value_of[node] == kMarked) return;
    state.value_of[node] = kMarked;
    ++outstanding;
  };
  for (const std::uint32_t root : roots) {
    mark(root);
    i = std::max(i, root + 1);
  }
  while (outstanding > 0) {
    --i;
    if (state.value_of[i] != kMarked) continue;
    --outstanding;
    found.push_back(i);
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[i])) mark(input);
  }
  std::ranges::reverse(found);
  return found;
}

/// When something throws half-way, no mark may stay.
class MarksGone {
 public:
  explicit MarksGone(TapeState& state) : state_(state), exceptions_(std::uncaught_exceptions()) {}
  ~MarksGone() {
    if (std::uncaught_exceptions() > exceptions_) {
      std::ranges::fill(state_.value_of, TapeState::kNone);
    }
  }
  MarksGone(const MarksGone&) = delete;
  MarksGone& operator=(const MarksGone&) = delete;

 private:
  TapeState& state_;
  int exceptions_;
};

/// Translates nodes one by one; TapeState::value_of holds what became of them meanwhile.
class Lowering {
 public:
  Lowering(TapeState& state, Program& program) : state_(state), program_(program) {}
  ~Lowering() {
    for (const std::uint32_t node : touched_) state_.value_of[node] = Program::kNone;
  }
  Lowering(const Lowering&) = delete;
  Lowering& operator=(const Lowering&) = delete;

  std::uint32_t value_of(std::uint32_t node) {
    std::uint32_t& value = state_.value_of[node];
    if (value == Program::kNone || value == kMarked) {
      touched_.push_back(node);
      value = program_.add_value(*state_.nodes[node].type);
      program_.values[value].node = node;
      if (state_.nodes[node].op == &parameter_op()) program_.values[value].parameter = use_of(node);
    }
    return value;
  }

  void add(std::uint32_t index) {
    const Node& node = state_.nodes[index];
    operands_.clear();
    for (const std::uint32_t input : state_.read_inputs_of(node)) {
      operands_.push_back(value_of(input));
    }
    const std::uint32_t value = value_of(index);
    const Signature call = signature_of(state_, node, types_);
    if (const std::int64_t offset = node.op->alias_offset(call, *node.type); offset >= 0) {
      const auto base = program_.home(operands_[0]);  // at once, so that chains stay short
      program_.make_alias(value, base.owner, base.offset + offset);
      return;
    }
    Program::Step like;
    like.attributes = static_cast<std::uint32_t>(program_.attributes.size());
    like.where = node.where;
    if (node.op->data_bytes() > 0) like.data_node = index;
    const std::byte* const bytes = state_.attributes.data() + node.attributes;
    program_.attributes.insert(program_.attributes.end(), bytes,
                               bytes + node.op->attribute_bytes());
    const std::vector<Region> regions = node.op->placed(call);
    const auto kind = regions.empty() ? Program::Kind::op : Program::Kind::assemble;
    const std::uint32_t step = program_.add_step(kind, node.op, operands_, value, like);
    program_.set_regions(program_.steps[step], regions);
    program_.order.push_back(step);
  }

  /// The parameters are in the order of their nodes.
  std::uint32_t use_of(std::uint32_t node) const {
    const auto found =
        std::ranges::lower_bound(state_.parameters, node, {}, &TapeState::ParameterUse::node);
    return static_cast<std::uint32_t>(found - state_.parameters.begin());
  }

 private:
  TapeState& state_;
  Program& program_;
  std::vector<std::uint32_t> touched_;
  std::vector<std::uint32_t> operands_;
  RecycledVector<const Type*> types_;
};

}  // namespace

void Program::clear() {
  types = std::make_shared<TypePool>();
  values.clear();
  steps.clear();
  order.clear();
  inputs.clear();
  regions.clear();
  attributes.clear();
  fused.clear();
  roots.clear();
  work_bytes = 0;
}

std::uint32_t Program::add_value(const Type& type) {
  values.emplace_back().type = types->hold(type);
  return static_cast<std::uint32_t>(values.size() - 1);
}

void Program::set_inputs(Step& step, std::span<const std::uint32_t> step_inputs) {
  step.first_input = static_cast<std::uint32_t>(inputs.size());
  step.input_count = static_cast<std::uint32_t>(step_inputs.size());
  inputs.insert(inputs.end(), step_inputs.begin(), step_inputs.end());
}

void Program::set_regions(Step& step, std::span<const Region> step_regions) {
  step.first_region = static_cast<std::uint32_t>(regions.size());
  regions.insert(regions.end(), step_regions.begin(), step_regions.end());
}

std::uint32_t Program::add_step(Kind kind, const Op* op, std::span<const std::uint32_t> step_inputs,
                                std::uint32_t output, const Step& like) {
  Step step;
  step.kind = kind;
  step.op = op;
  step.attributes = like.attributes;
  step.where = like.where;
  step.data_node = like.data_node;
  step.output = output;
  set_inputs(step, step_inputs);
  const auto index = static_cast<std::uint32_t>(steps.size());
  values[output].step = index;
  steps.push_back(step);
  return index;
}

void Program::make_alias(std::uint32_t value, std::uint32_t owner, std::int64_t offset,
                         std::int64_t stride) {
  values[value].owner = owner;
  values[value].offset = offset;
  values[value].stride = stride;
  values[value].step = kNone;
}

void Program::count_uses() {
  for (Value& value : values) value.uses = 0;
  for (const std::uint32_t s : order) {
    for (const std::uint32_t input : inputs_of(steps[s])) {
      // Every value on the way to the memory: none of them may move while this one is read.
      for (std::uint32_t v = input; v != kNone; v = values[v].owner) ++values[v].uses;
    }
  }
}

Signature signature_of(const Program& program, const Program::Step& step,
                       RecycledVector<const Type*>& scratch) {
  scratch.clear();
  for (const std::uint32_t input : program.inputs_of(step)) {
    scratch.push_back(program.values[input].type);
  }
  return {scratch, program.attributes_of(step)};
}

void make_program(TapeState& state, std::span<const std::uint32_t> roots, Keep keep,
                  Program& program) {
  const MarksGone marks_gone(state);
  Lowering lowering(state, program);
  const std::vector<std::uint32_t> nodes = pending_ancestors(state, roots);
  program.values.reserve(nodes.size() + nodes.size() / 8);  // passes add a few
  program.steps.reserve(nodes.size() + nodes.size() / 8);
  program.inputs.reserve(2 * nodes.size());
  program.order.reserve(nodes.size());
  for (const std::uint32_t node : nodes) lowering.add(node);
  for (const std::uint32_t root : roots) program.roots.push_back(lowering.value_of(root));
  for (const std::uint32_t root : program.roots) {
    for (std::uint32_t v = root; v != Program::kNone; v = program.values[v].owner) {
      program.values[v].keep = true;
    }
  }
  if (keep == Keep::everything) {
    for (Program::Value& value : program.values) value.keep = true;
  }
}

void put_in_order(Program& program, std::span<const std::uint32_t> listed) {
  std::vector<bool> done(program.steps.size(), false);
  std::vector<std::uint32_t> order, pending;
  const auto step_behind = [&](std::uint32_t value) {
    return program.values[program.home(value).owner].step;
  };
  for (const std::uint32_t first : listed) {
    pending.push_back(first);
    while (!pending.empty()) {
      const std::uint32_t s = pending.back();
      if (done[s] || program.steps[s].removed) {
        pending.pop_back();
        continue;
      }
      const std::size_t before = pending.size();
      for (const std::uint32_t input : program.inputs_of(program.steps[s])) {
        const std::uint32_t needed = step_behind(input);
        if (needed != Program::kNone && !done[needed] && !program.steps[needed].removed)
          pending.push_back(needed);
      }
      if (pending.size() > before) continue;
      pending.pop_back();
      done[s] = true;
      order.push_back(s);
    }
  }
  program.order = std::move(order);
}

}  // namespace unroll
