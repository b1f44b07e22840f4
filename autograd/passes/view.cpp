// Pass: pointwise steps read slices where they lie.
//
// A slice that only pointwise steps read becomes an alias whose rows lie apart. If it is a slice of
// a pointwise result that nothing but slices read, that result is not computed: the slice is
// computed from slices of the operands. What an operand was broadcast to is read as what it was
// broadcast from.
#include <algorithm>

#include <unroll/autograd/passes/pointwise.h>

namespace unroll::passes {

namespace {

class Viewing {
 public:
  explicit Viewing(Program& program) : program_(program) {}

  void run() {
    program_.count_uses();
    find_pointwise();
    for (const std::uint32_t s : program_.order) find_view(s);
    std::vector<std::uint32_t> order;
    for (const std::uint32_t s : program_.order) {
      if (!views_[s].found) {
        order.push_back(s);
        continue;
      }
      Program::Step& step = program_.steps[s];
      step.removed = true;
      const std::uint32_t whole = program_.inputs_of(step)[0];
      if (step.op->traits().broadcasts) {
        source_[step.output] = whole;
      } else {
        take(step.output, whole, views_[s].region, order);
      }
    }
    std::erase_if(order, [&](std::uint32_t s) { return program_.steps[s].removed; });
    program_.order = std::move(order);
    for (const std::uint32_t s : program_.order) {
      if (!program_.steps[s].pointwise) continue;
      for (std::uint32_t i = 0; i < program_.steps[s].input_count; ++i) {
        std::uint32_t& input = program_.inputs[program_.steps[s].first_input + i];
        if (input < source_.size() && source_[input] != Program::kNone) input = source_[input];
      }
    }
  }

 private:
  struct View {
    bool found = false;
    Region region;
  };

  const Type& type_of(std::uint32_t value) const { return *program_.values[value].type; }

  void find_pointwise() {
    pointwise_uses_.assign(program_.values.size(), 0);
    slice_uses_.assign(program_.values.size(), 0);
    source_.assign(program_.values.size(), Program::kNone);
    views_.resize(program_.steps.size());
    for (const std::uint32_t s : program_.order) {
      const Program::Step& step = program_.steps[s];
      if (!is_pointwise(program_, step)) continue;
      program_.steps[s].pointwise = true;
      for (const std::uint32_t input : program_.inputs_of(step)) {
        if (type_of(input).shape == type_of(step.output).shape) ++pointwise_uses_[input];
      }
    }
  }

  void find_view(std::uint32_t s) {
    const Program::Step& step = program_.steps[s];
    const Program::Value& value = program_.values[step.output];
    if (step.kind != Program::Kind::op || value.keep || value.uses == 0 ||
        value.uses != pointwise_uses_[step.output]) {
      return;
    }
    if (step.op->traits().broadcasts) {
      views_[s].found =
          layout_of(type_of(program_.inputs_of(step)[0]), value.type->shape).has_value();
      return;
    }
    const Matrix matrix(value.type->shape);
    const auto region = step.op->taken(signature_of(program_, step, types_));
    if (!region || region->rows != matrix.rows || region->columns != matrix.columns) return;
    views_[s] = {true, *region};
    ++slice_uses_[program_.inputs_of(step)[0]];
  }

  /// Lets `value` be a region of `whole`; steps that takes go to `order`.
  void take(std::uint32_t value, std::uint32_t whole, const Region& region,
            std::vector<std::uint32_t>& order) {
    if (!only_sliced(whole)) {
      const auto size = static_cast<std::int64_t>(size_of(type_of(whole).dtype));
      return program_.make_alias(value, whole, region.offset * size, region.stride);
    }
    const Program::Step step = program_.steps[program_.values[whole].step];
    program_.steps[program_.values[whole].step].removed = true;
    std::vector<std::uint32_t> parts;
    for (const std::uint32_t input : program_.inputs_of(step)) {
      const Type part{type_of(input).dtype, type_of(value).shape};
      parts.push_back(program_.add_value(part));
    }
    const auto inputs = program_.inputs_of(step);
    const std::vector<std::uint32_t> operands(inputs.begin(), inputs.end());
    for (std::size_t i = 0; i < parts.size(); ++i) take(parts[i], operands[i], region, order);
    const std::uint32_t s = program_.add_step(Program::Kind::op, step.op, parts, value, step);
    program_.steps[s].pointwise = true;
    order.push_back(s);
  }

  /// A pointwise result of operands of its own shape, of which nobody reads more than slices.
  bool only_sliced(std::uint32_t whole) const {
    if (whole >= slice_uses_.size()) return false;
    const Program::Value& value = program_.values[whole];
    if (value.step == Program::kNone || value.owner != Program::kNone || value.keep ||
        value.stride != 0 || value.uses != slice_uses_[whole] ||
        !program_.steps[value.step].pointwise) {
      return false;
    }
    return std::ranges::all_of(
        program_.inputs_of(program_.steps[value.step]), [&](std::uint32_t input) {
          return type_of(input).shape == value.type->shape && program_.values[input].stride == 0 &&
                 (input >= source_.size() || source_[input] == Program::kNone);
        });
  }

  Program& program_;
  std::vector<View> views_;  ///< per step
  /// Per value: readers that are pointwise steps of its shape; readers that take a slice.
  std::vector<std::uint32_t> pointwise_uses_, slice_uses_;
  std::vector<std::uint32_t> source_;  ///< per value: what it was broadcast from
  RecycledVector<const Type*> types_;
};

}  // namespace

void view(Program& program) { Viewing(program).run(); }

}  // namespace unroll::passes
