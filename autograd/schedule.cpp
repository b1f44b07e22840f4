// From roots to the list of steps to run.
#include <unroll/autograd/schedule.h>

#include <algorithm>

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
    if (state.values[node] != nullptr || state.step_of[node] == kMarked) return;
    state.step_of[node] = kMarked;
    ++outstanding;
  };
  for (const std::uint32_t root : roots) {
    mark(root);
    i = std::max(i, root + 1);
  }
  while (outstanding > 0) {
    --i;
    if (state.step_of[i] != kMarked) continue;
    --outstanding;
    found.push_back(i);
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[i])) mark(input);
  }
  std::ranges::reverse(found);
  return found;
}

}  // namespace

Schedule make_schedule(TapeState& state, std::span<const std::uint32_t> roots, Keep keep) {
  Schedule schedule;
  const std::vector<std::uint32_t> nodes = pending_ancestors(state, roots);
  schedule.steps.resize(nodes.size());
  std::vector<const Type*> scratch;
  for (std::uint32_t s = 0; s < nodes.size(); ++s) {
    Schedule::Step& step = schedule.steps[s];
    const Node& node = state.nodes[nodes[s]];
    step.node = nodes[s];
    step.owner = s;
    step.keep = keep == Keep::everything;
    state.step_of[nodes[s]] = s;
    const auto inputs = state.read_inputs_of(node);
    for (const std::uint32_t input : inputs) {
      const std::uint32_t producer = state.step_of[input];
      if (producer != TapeState::kNone) ++schedule.steps[producer].uses;
    }
    const std::int64_t offset =
        node.op->alias_offset(signature_of(state, node, scratch), node.type);
    if (offset < 0) continue;
    step.alias = true;
    step.offset = offset;
    const std::uint32_t base = state.step_of[inputs[0]];
    if (base == TapeState::kNone) continue;  // of a value that is there already
    step.owner = schedule.steps[base].owner;
    if (step.owner != base) step.offset += schedule.steps[base].offset;
  }
  for (const std::uint32_t root : roots) {
    if (state.step_of[root] == TapeState::kNone) continue;
    Schedule::Step& step = schedule.steps[state.step_of[root]];
    step.keep = true;
    schedule.steps[step.owner].keep = true;
  }
  return schedule;
}

void release_schedule(TapeState& state, const Schedule& schedule) {
  for (const Schedule::Step& step : schedule.steps) state.step_of[step.node] = TapeState::kNone;
}

}  // namespace unroll
