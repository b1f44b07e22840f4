// Pass: what is assembled is written in place by whoever computes it. A value gets the region of
// the first array that takes it; an array whose parts already lie side by side is an alias.
#include <algorithm>

#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

class Placing {
 public:
  explicit Placing(Program& program) : program_(program), other_readers_(program.values.size(), 0) {
    for (const std::uint32_t s : program_.order) {
      const Program::Step& step = program_.steps[s];
      for (const std::uint32_t input : program_.inputs_of(step)) {
        // A fused step knows the layout of what it reads, but not of what that is a part of.
        const bool is_fused = step.kind == Program::Kind::fused;
        std::uint32_t v = is_fused ? program_.values[input].owner : input;
        for (; v != Program::kNone; v = program_.values[v].owner) ++other_readers_[v];
      }
    }
  }

  void run() {
    for (const std::uint32_t s : program_.order) {
      Program::Step& step = program_.steps[s];
      if (step.kind != Program::Kind::assemble) continue;
      if (lies_side_by_side(step)) {
        const auto first = program_.home(program_.inputs_of(step)[0]);
        program_.make_alias(step.output, first.owner, first.offset);
        step.removed = true;
        continue;
      }
      bool complete = covers(step);
      for (std::size_t i = 0; i < step.input_count; ++i) {
        if (const std::size_t parts = move_whole(step, i); parts > 0) {
          i += parts - 1;
          continue;
        }
        const std::uint32_t value = program_.inputs_of(step)[i];
        const Region& region = program_.regions_of(step)[i];
        if (can_move(value, region, step.output)) {
          Program::Value& v = program_.values[value];
          v.owner = step.output;
          v.offset = region.offset * static_cast<std::int64_t>(size_of(v.type->dtype));
          v.stride = region.contiguous() ? 0 : region.stride;
        } else {
          complete = false;
        }
      }
      step.removed = complete;
    }
    std::erase_if(program_.order, [&](std::uint32_t s) { return program_.steps[s].removed; });
  }

 private:
  /// May the step that computes `value` write it to `region` of `whole`?
  bool can_move(std::uint32_t value, const Region& region, std::uint32_t whole) const {
    const Program::Value& v = program_.values[value];
    if (v.step == Program::kNone || v.owner != Program::kNone || v.keep ||
        v.type->shape.size() == 0) {
      return false;
    }
    if (program_.home(whole).owner == value) return false;
    if (region.contiguous()) return true;
    // Only fused steps write, and read, rows that lie apart.
    const std::int64_t columns = v.type->shape.extent(-1);
    return program_.steps[v.step].kind == Program::Kind::fused && other_readers_[value] == 1 &&
           region.columns == columns && region.rows == v.type->shape.size() / columns &&
           program_.values[whole].stride == 0;
  }

  /// If the inputs from i on are all the parts of one array, in order, that array moves. Returns
  /// how many parts it has, or 0.
  std::size_t move_whole(const Program::Step& step, std::size_t i) {
    const auto inputs = program_.inputs_of(step);
    const auto regions = program_.regions_of(step);
    const std::uint32_t array = program_.home(inputs[i]).owner;
    if (array == inputs[i] || !regions[i].contiguous()) return 0;
    const Program::Value& value = program_.values[array];
    const auto bytes = static_cast<std::int64_t>(value.type->bytes());
    std::int64_t done = 0;
    std::size_t end = i;
    for (; end < inputs.size() && done < bytes; ++end) {
      const auto home = program_.home(inputs[end]);
      const bool is_next = home.owner == array && home.offset == done &&
                           regions[end].contiguous() && program_.values[inputs[end]].stride == 0;
      const bool adjoins =
          end == i || regions[end].offset == regions[end - 1].offset + regions[end - 1].columns;
      if (!is_next || !adjoins) return 0;
      done += static_cast<std::int64_t>(program_.values[inputs[end]].type->bytes());
    }
    const Region whole{regions[i].offset, 1, value.type->shape.size(), value.type->shape.size()};
    if (done != bytes || value.type->dtype != program_.values[step.output].type->dtype ||
        !can_move(array, whole, step.output)) {
      return 0;
    }
    program_.values[array].owner = step.output;
    program_.values[array].offset =
        whole.offset * static_cast<std::int64_t>(size_of(value.type->dtype));
    return end - i;
  }

  /// Do the regions leave no gap? They are in order of offset.
  bool covers(const Program::Step& step) const {
    std::int64_t columns = 0;
    for (const Region& region : program_.regions_of(step)) columns += region.columns;
    const Region& any = program_.regions_of(step)[0];
    return any.rows * columns == program_.values[step.output].type->shape.size();
  }

  bool lies_side_by_side(const Program::Step& step) const {
    if (program_.values[step.output].keep || !covers(step)) return false;
    const auto first = program_.home(program_.inputs_of(step)[0]);
    const Program::Value& owner = program_.values[first.owner];
    std::int64_t expected = first.offset;
    for (std::size_t i = 0; i < step.input_count; ++i) {
      const std::uint32_t value = program_.inputs_of(step)[i];
      const auto home = program_.home(value);
      const bool fits = program_.regions_of(step)[i].contiguous() && home.owner == first.owner &&
                        home.offset == expected && program_.values[value].stride == 0;
      if (!fits) return false;
      expected += static_cast<std::int64_t>(program_.values[value].type->bytes());
    }
    return owner.stride == 0;
  }

  Program& program_;
  std::vector<std::uint32_t>
      other_readers_;  ///< per value: all but the fused steps that read just it
};

}  // namespace

void place(Program& program) { Placing(program).run(); }

}  // namespace unroll::passes
