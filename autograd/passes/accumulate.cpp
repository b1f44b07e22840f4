// Pass: operands of accumulate nodes write into the sum instead of into memory of their own.
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/schedule.h>

namespace unroll::passes {

void accumulate(const TapeState& state, Schedule& schedule) {
  for (std::uint32_t s = 0; s < schedule.steps.size(); ++s) {
    const Node& node = state.nodes[schedule.steps[s].node];
    if (node.op != &accumulate_op()) continue;
    bool started = false;
    for (const std::uint32_t input : state.inputs_of(node)) {
      const std::uint32_t producer = state.step_of[input];
      if (producer == TapeState::kNone) continue;
      Schedule::Step& step = schedule.steps[producer];
      const bool own_memory = step.owner == producer && !step.alias;
      if (!own_memory || step.keep || step.uses != 1 ||
          !state.nodes[step.node].op->traits().accumulates) {
        continue;
      }
      step.owner = s;
      step.folded = true;
      step.accumulate = started;
      started = true;
    }
    schedule.steps[s].accumulate = started;
  }
}

}  // namespace unroll::passes
