// Execution: schedule the pending nodes, apply the passes, run the kernels one by one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/denormals.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/leaves.h>
#include <unroll/autograd/schedule.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

namespace {

[[noreturn]] void refuse_changed(const TapeState& state, const TapeState::ParameterUse& use) {
  throw StateError(fmt::format(
      "evaluate: parameter {} was changed after it was recorded at {}; reset the tape and record "
      "again",
      use.parameter.name(), to_string(state.nodes[use.node].where)));
}

/// A parameter that changed since it was recorded would mix two versions in one computation.
void expect_unchanged_parameters(const TapeState& state) {
  for (const TapeState::ParameterUse& use : state.parameters) {
    if (use.parameter.version() != use.version) refuse_changed(state, use);
  }
}

/// Calls the kernel of `node`, writing to `output`.
void run(const TapeState& state, const Node& node, std::span<const std::uint32_t> inputs,
         void* output, bool accumulate) {
  std::array<ConstView, 8> few;
  std::vector<ConstView> many(inputs.size() > few.size() ? inputs.size() : 0);
  const std::span<ConstView> views =
      many.empty() ? std::span<ConstView>(few.data(), inputs.size()) : std::span<ConstView>(many);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    views[i] = {state.values[inputs[i]], &state.nodes[inputs[i]].type};
  }
  node.op->run({views, {output, &node.type}, state.attributes_of(node), accumulate});
}

/// The memory of a step's result: in the owner's block.
void place_output(TapeState& state, Schedule& schedule, Schedule::Step& step, std::byte* work) {
  Schedule::Step& owner = schedule.steps[step.owner];
  const Node& node = state.nodes[step.node];
  if (step.alias && &owner == &step) {
    auto* base = static_cast<std::byte*>(state.values[state.read_inputs_of(node)[0]]);
    state.values[step.node] = base + step.offset;
  } else if (step.alias) {
    state.values[step.node] = static_cast<std::byte*>(state.values[owner.node]) + step.offset;
  } else if (state.values[owner.node] == nullptr) {
    state.values[owner.node] =
        owner.keep ? state.kept.allocate(state.nodes[owner.node].type.bytes()) : work + owner.place;
  }
}

void execute(TapeState& state, Schedule& schedule) {
  const FlushDenormals flush;
  std::byte* const work = state.work.at_least(schedule.work_bytes);
  std::vector<std::uint32_t> rest;
  for (Schedule::Step& step : schedule.steps) {
    place_output(state, schedule, step, work);
    if (step.alias) continue;
    const Node& node = state.nodes[step.node];
    void* const output = state.values[schedule.steps[step.owner].node];
    std::span<const std::uint32_t> inputs = state.read_inputs_of(node);
    if (node.op == &accumulate_op() && step.accumulate) {  // add what did not write itself
      rest.clear();
      std::ranges::copy_if(inputs, std::back_inserter(rest), [&](std::uint32_t input) {
        const std::uint32_t producer = state.step_of[input];
        return producer == TapeState::kNone || !schedule.steps[producer].folded;
      });
      if (rest.empty()) continue;
      inputs = rest;
    }
    // Indices are checked only now that their values are known.
    blame(node.where, node.op->name(), [&] { run(state, node, inputs, output, step.accumulate); });
  }
}

/// Forgets the values that do not outlive the run.
void drop_temporaries(TapeState& state, const Schedule& schedule, bool failed) {
  for (const Schedule::Step& step : schedule.steps) {
    const bool outside_alias = step.alias && schedule.steps[step.owner].node == step.node;
    const bool stays =
        step.keep || outside_alias || (step.alias && schedule.steps[step.owner].keep);
    if (failed || !stays) state.values[step.node] = nullptr;
  }
}

}  // namespace

void evaluate(TapeState& state, std::span<const std::uint32_t> roots, Keep keep) {
  Schedule schedule = make_schedule(state, roots, keep);
  if (schedule.steps.empty()) return;
  try {
    expect_unchanged_parameters(state);
    if (state.options.passes.accumulate && keep == Keep::roots) {
      passes::accumulate(state, schedule);
    }
    passes::plan_memory(state, schedule, state.options.passes.reuse);
    execute(state, schedule);
  } catch (...) {
    drop_temporaries(state, schedule, true);
    release_schedule(state, schedule);
    throw;
  }
  drop_temporaries(state, schedule, false);
  release_schedule(state, schedule);
}

void expect_current(const TapeState& state, std::uint32_t node) {
  std::vector<const Type*> scratch;
  const auto is_alias = [&](const Node& n) {
    return n.op->alias_offset(signature_of(state, n, scratch), n.type) >= 0;
  };
  while (is_alias(state.nodes[node])) node = state.read_inputs_of(state.nodes[node])[0];
  for (const TapeState::ParameterUse& use : state.parameters) {
    if (use.node == node && use.parameter.version() != use.version) refuse_changed(state, use);
  }
}

void run_now(TapeState& state, std::uint32_t index) {
  const FlushDenormals flush;
  expect_unchanged_parameters(state);
  const Node& node = state.nodes[index];
  for (const std::uint32_t input : state.read_inputs_of(node)) {
    if (state.values[input] == nullptr) {  // a leaf constant, or recorded before eager mode
      evaluate(state, std::span(&input, 1), Keep::everything);
    }
  }
  std::vector<const Type*> scratch;
  const std::int64_t offset = node.op->alias_offset(signature_of(state, node, scratch), node.type);
  if (offset >= 0) {
    auto* base = static_cast<std::byte*>(state.values[state.read_inputs_of(node)[0]]);
    state.values[index] = base + offset;
    return;
  }
  void* const output = state.kept.allocate(node.type.bytes());
  run(state, node, state.read_inputs_of(node), output, false);
  state.values[index] = output;
}

}  // namespace unroll
