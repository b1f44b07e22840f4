// Pass: a sum of arrays that are zero outside regions of their own is those regions side by side.
#include <algorithm>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

struct Part {
  std::uint32_t value;
  Region region;
};

/// The parts of a sum of assembled values, by offset; empty if they overlap or are no such thing.
std::vector<Part> parts_of(const Program& program, const Program::Step& sum) {
  std::vector<Part> parts;
  for (const std::uint32_t input : program.inputs_of(sum)) {
    const Program::Value& value = program.values[input];
    if (value.step == Program::kNone || value.uses != 1 || value.keep) return {};
    const Program::Step& step = program.steps[value.step];
    if (step.kind != Program::Kind::assemble) return {};
    for (std::size_t i = 0; i < step.input_count; ++i) {
      parts.push_back({program.inputs_of(step)[i], program.regions_of(step)[i]});
    }
  }
  std::ranges::sort(parts, {}, [](const Part& part) { return part.region.offset; });
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const Region &a = parts[i - 1].region, &b = parts[i].region;
    if (a.rows != b.rows || a.stride != b.stride || a.offset + a.columns > b.offset) return {};
  }
  return parts;
}

}  // namespace

void assemble(Program& program) {
  program.count_uses();
  for (const std::uint32_t s : program.order) {
    if (program.steps[s].op != &accumulate_op()) continue;
    const std::vector<Part> parts = parts_of(program, program.steps[s]);
    if (parts.empty()) continue;
    const Program::Step& first =
        program.steps[program.values[program.inputs_of(program.steps[s])[0]].step];
    const Op* const op = first.op;
    for (const std::uint32_t input : program.inputs_of(program.steps[s])) {
      program.steps[program.values[input].step].removed = true;
    }
    std::vector<std::uint32_t> inputs;
    std::vector<Region> regions;
    for (const Part& part : parts) {
      inputs.push_back(part.value);
      regions.push_back(part.region);
    }
    Program::Step& step = program.steps[s];
    step.kind = Program::Kind::assemble;
    step.op = op;
    program.set_inputs(step, inputs);
    program.set_regions(step, regions);
  }
  std::erase_if(program.order, [&](std::uint32_t s) { return program.steps[s].removed; });
}

}  // namespace unroll::passes
