// Pass: operands of accumulate nodes write into the sum instead of into memory of their own.
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/schedule.h>

namespace unroll::passes {

void accumulate(const TapeState& state, Schedule& schedule) {
  auto& steps = schedule.steps;
  const auto is_sum = [&](const Schedule::Step& step) {
    return state.nodes[step.node].op == &accumulate_op();
  };
  // From the last sum on, so that a sum folded into another one hands its destination on.
  for (std::size_t s = steps.size(); s-- > 0;) {
    if (!is_sum(steps[s])) continue;
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[steps[s].node])) {
      const std::uint32_t producer = state.step_of[input];
      if (producer == TapeState::kNone) continue;
      Schedule::Step& step = steps[producer];
      const bool own_memory = step.owner == producer && !step.alias;
      if (!own_memory || step.keep || step.uses != 1 ||
          !state.nodes[step.node].op->traits().accumulates) {
        continue;
      }
      step.owner = steps[s].owner;
      step.folded = true;
    }
  }
  // Whichever runs first overwrites; contributions need not run in the order they are listed.
  std::vector<bool> started(steps.size(), false);
  for (Schedule::Step& step : steps) {
    if (!step.folded && !is_sum(step)) continue;
    step.accumulate = started[step.owner];
    started[step.owner] = true;
  }
}

}  // namespace unroll::passes
