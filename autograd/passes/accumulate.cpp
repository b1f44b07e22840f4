// Pass: operands of sums write into the sum instead of into memory of their own.
#include <algorithm>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

void accumulate(Program& program) {
  program.count_uses();
  // Per value: how many of its terms add themselves, and whether one of them has.
  std::vector<bool> is_sum(program.values.size(), false), started(program.values.size(), false);
  for (const std::uint32_t s : program.order) {
    const Program::Step& sum = program.steps[s];
    if (sum.op != &accumulate_op() || sum.kind != Program::Kind::op) continue;
    is_sum[sum.output] = true;
    for (const std::uint32_t input : program.inputs_of(sum)) {
      Program::Value& value = program.values[input];
      if (value.step == Program::kNone || value.owner != Program::kNone || value.keep ||
          value.uses != 1) {
        continue;
      }
      const Program::Step& step = program.steps[value.step];
      if (step.kind == Program::Kind::op && step.op->traits().accumulates) value.owner = sum.output;
    }
  }
  // The sum that `value` writes into; sums may be terms of sums.
  const auto destination = [&](std::uint32_t value) {
    while (program.values[value].owner != Program::kNone && is_sum[program.values[value].owner]) {
      value = program.values[value].owner;
    }
    return value;
  };
  // Whichever runs first overwrites; terms need not run in the order they are listed.
  for (const std::uint32_t s : program.order) {
    Program::Step& step = program.steps[s];
    if (step.kind != Program::Kind::op) continue;
    const std::uint32_t sum = destination(step.output);
    if (!is_sum[sum]) continue;
    step.accumulate = started[sum];
    started[sum] = true;
    if (!is_sum[step.output]) continue;
    std::vector<std::uint32_t> rest;  // what does not add itself
    for (const std::uint32_t input : program.inputs_of(step)) {
      if (program.values[input].owner != step.output) rest.push_back(input);
    }
    step.removed = rest.empty();
    program.set_inputs(step, rest);
  }
  std::erase_if(program.order, [&](std::uint32_t s) { return program.steps[s].removed; });
}

}  // namespace unroll::passes
