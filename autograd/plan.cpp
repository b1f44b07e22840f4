// From a Program to the flat list that is run.
#include <unroll/autograd/plan.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/leaves.h>

namespace unroll {

namespace {

void apply_passes(Program& program, const TapeOptions& options) {
  const Passes& use = options.passes;
  if (use.batch || use.fuse || use.place) passes::assemble(program);
  if (use.batch) {
    passes::batch(program);
    passes::turn(program);
  }
  if (options.memory_budget > 0) passes::rematerialise(program, options.memory_budget);
  if (use.accumulate) passes::add_onto(program);
  if (use.fuse) {
    passes::view(program);
    passes::fuse(program);
  }
  if (use.place) passes::place(program);
  if (use.accumulate) passes::accumulate(program);
}

class Compiler {
 public:
  Compiler(Program& program, std::uint32_t end) : program_(program), end_(end) {}

  Plan compile() {
    plan_.work_bytes = program_.work_bytes;
    find_results();
    place_kept();
    plan_.types = program_.types;
    for (const std::uint32_t s : program_.order) {
      if (has_work(program_.steps[s])) add(program_.steps[s]);
    }
    plan_.attributes = program_.attributes;
    for (std::uint32_t v = 0; v < program_.values.size(); ++v) publish(v);
    for (const std::uint32_t root : program_.roots) plan_.roots.push_back(operand(root));
    return std::move(plan_);
  }

 private:
  /// A root that is computed, fills its memory, and shares it with no value of the tape.
  void find_results() {
    result_of_.assign(program_.values.size(), Program::kNone);
    std::vector<bool> on_tape(program_.values.size(), false);
    for (std::uint32_t v = 0; v < program_.values.size(); ++v) {
      if (program_.values[v].node < end_) on_tape[program_.home(v).owner] = true;
    }
    for (const std::uint32_t root : program_.roots) {
      const Program::Value& value = program_.values[root];
      const auto home = program_.home(root);
      const Program::Value& owner = program_.values[home.owner];
      if (owner.step == Program::kNone || owner.shared || on_tape[home.owner] ||
          result_of_[home.owner] != Program::kNone || value.type->bytes() != owner.type->bytes()) {
        continue;
      }
      result_of_[home.owner] = static_cast<std::uint32_t>(plan_.results.size());
      plan_.results.push_back(*owner.type);
    }
  }

  void place_kept() {
    std::size_t bytes = 0;
    for (std::uint32_t v = 0; v < program_.values.size(); ++v) {
      Program::Value& value = program_.values[v];
      if (!value.keep || value.owner != Program::kNone || value.step == Program::kNone ||
          result_of_[v] != Program::kNone) {
        continue;
      }
      value.place = static_cast<std::int64_t>(bytes);
      bytes += aligned_size(value.type->bytes());
    }
    plan_.kept_bytes = bytes;
  }

  Plan::Operand operand(std::uint32_t v) const {
    const auto home = program_.home(v);
    const Program::Value& owner = program_.values[home.owner];
    Address at;
    at.offset = home.offset;
    if (owner.step == Program::kNone) {
      at.node = owner.node;
    } else if (owner.shared) {
      at.layout = layout_of_.at(home.owner);
    } else if (result_of_[home.owner] != Program::kNone) {
      at.result = result_of_[home.owner];
    } else {
      at.kept = owner.keep;
      at.offset += owner.place;
    }
    return {at, program_.values[v].type};
  }

  void publish(std::uint32_t v) {
    const Program::Value& value = program_.values[v];
    if (value.node == Program::kNone || value.node >= end_) return;
    const auto home = program_.home(v);
    const Program::Value& owner = program_.values[home.owner];
    if (home.owner == v && owner.step == Program::kNone) return;  // was there before
    // Memory of a parameter may be given up for other values, of which only its own node knows.
    const bool lasts =
        owner.keep || (owner.step == Program::kNone && owner.parameter == Program::kNone);
    if (value.keep || (home.owner != v && value.stride == 0 && lasts && is_mere_alias(v))) {
      plan_.published.push_back({value.node, operand(v).at});
    }
  }

  /// An alias for its own sake, not the place where a part of something else was computed.
  bool is_mere_alias(std::uint32_t v) const { return program_.values[v].step == Program::kNone; }

  /// Empty results need no kernel, which might walk over all of the other axes, unless there are
  /// indices to be checked.
  bool has_work(const Program::Step& step) const {
    const auto is_empty = [&](std::uint32_t v) {
      return program_.values[v].type->shape.size() == 0;
    };
    const auto outputs = program_.outputs_of(step);
    return !std::ranges::all_of(outputs, is_empty) || program_.values[outputs[0]].shared ||
           std::ranges::any_of(program_.inputs_of(step), [&](std::uint32_t v) {
             return program_.values[v].type->dtype == Dtype::int32 && !is_empty(v);
           });
  }

  void add(const Program::Step& step) {
    Plan::Step result;
    result.op = step.op;
    result.kind = step.kind;
    result.first_operand = static_cast<std::uint32_t>(plan_.operands.size());
    result.input_count = step.input_count;
    result.attributes = step.attributes;
    result.accumulate = step.accumulate;
    result.where = step.where;
    for (const std::uint32_t input : program_.inputs_of(step)) {
      plan_.operands.push_back(operand(input));
    }
    const auto outputs = program_.outputs_of(step);
    if (program_.values[outputs[0]].shared) {
      result.parameter = program_.values[program_.inputs_of(step)[0]].parameter;
      layout_of_[outputs[0]] = static_cast<std::uint32_t>(plan_.layout_count++);
    }
    result.output_count = static_cast<std::uint32_t>(outputs.size());
    for (const std::uint32_t output : outputs) plan_.operands.push_back(operand(output));
    if (step.kind == Program::Kind::fused) {
      result.extra = static_cast<std::uint32_t>(plan_.fused.size());
      plan_.fused.push_back(laid_out(step));
    } else if (step.kind == Program::Kind::assemble) {
      result.extra = static_cast<std::uint32_t>(plan_.assemblies.size());
      plan_.assemblies.push_back(assembly(step));
    } else if (step.data_node != Program::kNone && step.data_node < end_) {
      result.data_node = step.data_node;
    } else if (step.data_node != Program::kNone && step.op != &constant_op()) {
      plan_.reusable = false;
    }
    plan_.steps.push_back(result);
  }

  /// The formula with the layouts that the passes gave its operands; one long row if it can be.
  FusedFormula laid_out(const Program::Step& step) const {
    FusedFormula formula = program_.fused[step.output].formula;
    const auto adjust = [&](FusedFormula::Layout& layout, std::uint32_t v) {
      const std::int64_t stride = program_.values[v].stride;
      if (stride != 0 && layout.row_stride != 0) layout.row_stride = stride;
    };
    bool is_dense = true;
    const auto check = [&](const FusedFormula::Layout& layout) {
      const bool one_number = layout.row_stride == 0 && layout.column_stride == 0;
      const bool dense = layout.column_stride == 1 && layout.row_stride == formula.columns;
      is_dense = is_dense && (one_number || dense);
    };
    for (std::size_t i = 0; i < formula.inputs.size(); ++i) {
      adjust(formula.inputs[i], program_.inputs_of(step)[i]);
      check(formula.inputs[i]);
    }
    for (std::size_t i = 0; i < formula.results.size(); ++i) {
      adjust(formula.results[i], program_.outputs_of(step)[i]);
      check(formula.results[i]);
    }
    if (is_dense) {
      formula.columns *= formula.rows;
      formula.rows = 1;
    }
    return formula;
  }

  Plan::Assembly assembly(const Program::Step& step) const {
    Plan::Assembly result;
    const std::int64_t size = program_.values[step.output].type->shape.size();
    std::int64_t column = 0;
    const auto regions = program_.regions_of(step);
    const std::int64_t rows = regions[0].rows, stride = rows == 0 ? 0 : size / rows;
    for (std::size_t i = 0; i < step.input_count; ++i) {
      const Region& region = regions[i];
      if (region.offset > column) {
        result.gaps.push_back({column, rows, region.offset - column, stride});
      }
      column = region.offset + region.columns;
      const Program::Value& value = program_.values[program_.inputs_of(step)[i]];
      const auto home = program_.home(program_.inputs_of(step)[i]);
      const auto whole = program_.home(step.output);
      // The same value may be a part twice, and lie in one of its places only.
      const bool in_place =
          home.owner == whole.owner &&
          home.offset ==
              whole.offset + region.offset * static_cast<std::int64_t>(size_of(value.type->dtype));
      if (!in_place) result.copies.push_back({static_cast<std::uint32_t>(i), region});
    }
    if (column < stride) result.gaps.push_back({column, rows, stride - column, stride});
    return result;
  }

  Program& program_;
  std::uint32_t end_;
  std::map<std::uint32_t, std::uint32_t> layout_of_;  ///< by value
  std::vector<std::uint32_t> result_of_;              ///< by value; kNone: none
  Plan plan_;
};

}  // namespace

Plan make_plan(TapeState& state, std::span<const std::uint32_t> roots, Keep keep,
               std::uint32_t end) {
  if (state.program == nullptr) state.program = std::make_shared<Program>();
  Program& program = *state.program;
  program.clear();
  make_program(state, roots, keep, program);
  const TapeOptions& options = state.options;
  if (keep == Keep::roots) apply_passes(program, options);
  if (options.bf16 || (keep == Keep::roots && options.passes.pack)) {
    passes::pack(program, options.bf16);
  }
  if (options.passes.reuse) passes::overwrite(program);
  passes::plan_memory(program, options.passes.reuse);
  return Compiler(program, end).compile();
}

}  // namespace unroll
