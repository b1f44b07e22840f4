// Execution: the steps of a plan one by one, and single nodes in eager mode.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/denormals.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/parameter_layouts.h>
#include <unroll/autograd/plan.h>
#include <unroll/autograd/small_buffer.h>
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

/// As many operands as most steps have, fused ones included.
template <class T>
using Operands = SmallBuffer<T, 24>;

/// The memory of one run.
class Run {
 public:
  Run(TapeState& state, const Plan& plan, Results& results)
      : state_(state),
        plan_(plan),
        results_(results.tensors),
        work_(state.work.at_least(plan.work_bytes)),
        kept_(plan.kept_bytes == 0 ? nullptr : state.kept.allocate(plan.kept_bytes)) {
    state.layouts.resize(plan.layout_count);
    results_.clear();
    results_.reserve(plan.results.size());
    for (const Type& type : plan.results) {
      results_.push_back(Tensor::uninitialized(type.shape, type.dtype));
    }
  }

  void run() const {
    const FlushDenormals flush;
    for (const Plan::Step& step : plan_.steps) {
      switch (step.kind) {
        case Program::Kind::op: run_op(step); break;
        case Program::Kind::assemble: assemble(step); break;
        case Program::Kind::fused: run_fused_step(step); break;
      }
    }
  }

  void* pointer(const Address& at) const {
    if (at.node != TapeState::kNone) {
      return static_cast<std::byte*>(state_.values[at.node]) + at.offset;
    }
    if (at.layout != TapeState::kNone) return state_.layouts[at.layout];
    if (at.result != TapeState::kNone) {
      return static_cast<std::byte*>(results_[at.result].mutable_raw()) + at.offset;
    }
    return (at.kept ? kept_ : work_) + at.offset;
  }

 private:
  std::span<const Plan::Operand> operands_of(const Plan::Step& step) const {
    return {plan_.operands.data() + step.first_operand, step.input_count + step.output_count};
  }

  void run_op(const Plan::Step& step) const {
    const auto operands = operands_of(step);
    Operands<ConstView> views(step.input_count);
    const auto inputs = views.span();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i] = {pointer(operands[i].at), operands[i].type};
    }
    const Plan::Operand& output = operands.back();
    const std::byte* const attributes =
        step.data_node == TapeState::kNone
            ? plan_.attributes.data() + step.attributes
            : state_.attributes.data() + state_.nodes[step.data_node].attributes;
    if (step.parameter != TapeState::kNone) {
      const Parameter& parameter = state_.parameters[step.parameter].parameter;
      const bool attribute = Attributes(attributes).as<bool>();
      state_.layouts[output.at.layout] = parameter.layouts().get(
          step.op, attribute, parameter.version(), output.type->bytes(), [&](void* memory) {
            step.op->run({inputs, {memory, output.type}, Attributes(attributes), false});
          });
      return;
    }
    // Indices are checked only now that their values are known.
    blame(step.where, step.op->name(), [&] {
      step.op->run(
          {inputs, {pointer(output.at), output.type}, Attributes(attributes), step.accumulate});
    });
  }

  void run_fused_step(const Plan::Step& step) const {
    const auto operands = operands_of(step);
    Operands<void*> found(operands.size());
    const auto pointers = found.span();
    for (std::size_t i = 0; i < operands.size(); ++i) pointers[i] = pointer(operands[i].at);
    run_fused(plan_.fused[step.extra],
              std::span<const void* const>(pointers.data(), step.input_count),
              pointers.subspan(step.input_count));
  }

  void assemble(const Plan::Step& step) const {
    const auto operands = operands_of(step);
    const std::size_t size = size_of(operands.back().type->dtype);
    auto* const whole = static_cast<std::byte*>(pointer(operands.back().at));
    const auto for_each_run = [&](const Region& region, auto f) {
      for (std::int64_t row = 0; row < region.rows; ++row) {
        f(whole + static_cast<std::size_t>(region.offset + row * region.stride) * size,
          static_cast<std::size_t>(row * region.columns) * size,
          static_cast<std::size_t>(region.columns) * size);
      }
    };
    const Plan::Assembly& assembly = plan_.assemblies[step.extra];
    for (const Plan::Assembly::Copy& copy : assembly.copies) {
      const auto* const part = static_cast<const std::byte*>(pointer(operands[copy.operand].at));
      for_each_run(copy.region, [&](std::byte* to, std::size_t from, std::size_t bytes) {
        std::memcpy(to, part + from, bytes);
      });
    }
    for (const Region& gap : assembly.gaps) {
      for_each_run(
          gap, [&](std::byte* to, std::size_t, std::size_t bytes) { std::memset(to, 0, bytes); });
    }
  }

  TapeState& state_;
  const Plan& plan_;
  RecycledVector<Tensor>& results_;
  std::byte* work_;
  std::byte* kept_;
};

}  // namespace

void hash_published(TapeState& state, const Plan& plan) {
  for (const Plan::Published& value : plan.published) {
    state.structure = hash_with(state.structure, value.node);
  }
}

void run_plan(TapeState& state, const Plan& plan, Results* results) {
  expect_unchanged_parameters(state);
  const Arena::Mark before = state.kept.mark();
  Results none;
  std::optional<Run> run;
  try {
    run.emplace(state, plan, results != nullptr ? *results : none);
    run->run();
  } catch (...) {
    state.kept.roll_back(before);
    throw;
  }
  for (const Plan::Published& value : plan.published) {
    state.values[value.node] = run->pointer(value.at);
  }
  hash_published(state, plan);
  if (results == nullptr) return;
  results->roots.clear();
  for (const Plan::Operand& root : plan.roots) results->roots.push_back(run->pointer(root.at));
}

void evaluate(TapeState& state, std::span<const std::uint32_t> roots, Keep keep) {
  if (std::ranges::all_of(roots, [&](std::uint32_t r) { return state.values[r] != nullptr; })) {
    return;
  }
  if (!state.options.passes.cache || state.options.eager)
    return run_plan(state, make_plan(state, roots, keep));
  constexpr std::uint64_t kEvaluate = 1;  // gradients has keys of its own
  std::uint64_t key =
      hash_with(hash_with(state.structure, kEvaluate), static_cast<std::uint64_t>(keep));
  for (const std::uint32_t root : roots) key = hash_with(key, root);
  auto entry = state.plans.find(key);
  if (entry == nullptr) {
    auto plan = std::make_shared<const Plan>(make_plan(state, roots, keep));
    entry = state.plans.add({key, std::move(plan), {}});
  }
  run_plan(state, *entry->plan);
}

void expect_current(const TapeState& state, std::uint32_t node) {
  RecycledVector<const Type*> scratch;
  const auto is_alias = [&](const Node& n) {
    return n.op->alias_offset(signature_of(state, n, scratch), *n.type) >= 0;
  };
  while (is_alias(state.nodes[node])) node = state.read_inputs_of(state.nodes[node])[0];
  for (const TapeState::ParameterUse& use : state.parameters) {
    if (use.node == node && use.parameter.version() != use.version) refuse_changed(state, use);
  }
}

void run_now(TapeState& state, std::uint32_t index) {
  const Node& node = state.nodes[index];
  for (const std::uint32_t input : state.read_inputs_of(node)) {
    if (state.values[input] == nullptr) {  // a constant
      evaluate(state, std::span(&input, 1), Keep::everything);
    }
  }
  run_plan(state, make_plan(state, std::span(&index, 1), Keep::everything));
}

}  // namespace unroll
