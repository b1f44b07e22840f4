// Pass: connected pointwise steps become one step.
//
// One walk in order. A pointwise step joins the open group of its shape; a group stays open, and
// so runs later than its members were recorded, until a step outside reads one of its values. That
// keeps every value before its readers, whatever the graph. Values that only members read are never
// written to memory, and a value that is one primitive away from another one in memory is computed
// again by its readers.
#include <algorithm>
#include <utility>

#include <unroll/autograd/passes/pointwise.h>

namespace unroll::passes {

namespace {

// A few times what a step of a model has. The tables of a formula number by 16 bits.
constexpr std::size_t kMaxInstructions = 160, kMaxInputs = 64;

class Fusion {
 public:
  explicit Fusion(Program& program) : program_(program) { program_.count_uses(); }

  void run() {
    for (const std::uint32_t s : program_.order) {
      if (program_.steps[s].pointwise) {
        add_to_group(s, pointwise_dtype(program_, program_.steps[s]).value());
      } else {
        for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
          close_producer(input, Program::kNone);
        }
        order_.push_back(s);
      }
    }
    while (!open_.empty()) close(open_.size() - 1);
    find_outputs();
    numbers_.assign(program_.values.size(), kUnnumbered);
    for (Open& group : closed_) finish(group);
    std::erase(order_, Program::kNone);
    program_.order = std::move(order_);
  }

 private:
  struct Open {
    std::uint32_t step;  ///< the fused step
    Shape shape;
    Dtype dtype;
    std::size_t instructions = 0, inputs = 0;
    std::size_t position = 0;  ///< in the new order, once closed
    std::vector<std::uint32_t> members = {};
  };

  const Type& type_of(std::uint32_t value) const { return *program_.values[value].type; }

  /// Closes the group that computes `value`, or what it is a part of, unless that is `except`.
  void close_producer(std::uint32_t value, std::uint32_t except) {
    const std::uint32_t producer = program_.values[program_.home(value).owner].step;
    if (producer == Program::kNone) return;
    const std::uint32_t group = program_.steps[producer].fused;
    if (group == Program::kNone || group == except) return;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (open_[i].step == group) return close(i);
    }
  }

  void add_to_group(std::uint32_t s, Dtype dtype) {
    const Program::Step step = program_.steps[s];
    const Shape& shape = type_of(step.output).shape;
    const auto matching = [&] {
      return std::ranges::find_if(
          open_, [&](const Open& g) { return g.dtype == dtype && g.shape == shape; });
    };
    auto group = matching();
    const std::uint32_t own = group == open_.end() ? Program::kNone : group->step;
    for (const std::uint32_t input : program_.inputs_of(step)) {
      // A member reads another member's value as it is, not through an alias.
      const bool is_alias = program_.values[input].owner != Program::kNone;
      close_producer(input, is_alias ? Program::kNone : own);
    }
    group = matching();
    const std::size_t length =
        step.op->formula() != nullptr ? step.op->formula()->instructions.size() : step.input_count;
    if (group != open_.end() && (group->instructions + length > kMaxInstructions ||
                                 group->inputs + step.input_count > kMaxInputs)) {
      close(static_cast<std::size_t>(group - open_.begin()));
      group = open_.end();
    }
    if (group == open_.end()) {
      Program::Step fused;
      fused.kind = Program::Kind::fused;
      fused.where = step.where;
      program_.steps.push_back(fused);
      open_.push_back({static_cast<std::uint32_t>(program_.steps.size() - 1), shape, dtype});
      group = open_.end() - 1;
    }
    group->members.push_back(s);
    group->instructions += length;
    group->inputs += step.input_count;
    program_.steps[s].fused = group->step;
  }

  void close(std::size_t i) {
    open_[i].position = order_.size();
    order_.push_back(open_[i].step);
    closed_.push_back(std::move(open_[i]));
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  /// Marks what is read outside the group that computes it.
  void find_outputs() {
    for (const Program::Value& value : program_.values) is_output_.push_back(value.keep);
    const auto read = [&](std::uint32_t value, std::uint32_t reader) {
      const std::uint32_t owner = program_.home(value).owner;
      const std::uint32_t producer = program_.values[owner].step;
      if (producer == Program::kNone) return;
      if (owner != value || program_.steps[producer].fused != reader) is_output_[owner] = true;
    };
    for (const std::uint32_t s : order_) {
      if (program_.steps[s].kind == Program::Kind::fused) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        read(input, Program::kNone);
      }
    }
    for (const Open& group : closed_) {
      for (const std::uint32_t s : group.members) {
        for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
          read(input, group.step);
        }
      }
    }
    find_repeated();
  }

  /// A value that only groups read, one primitive away from a value that is in memory anyway.
  void find_repeated() {
    std::vector<bool> read_by_step(program_.values.size(), false);
    for (const std::uint32_t s : order_) {
      if (program_.steps[s].kind == Program::Kind::fused) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        read_by_step[program_.home(input).owner] = true;
      }
    }
    for (const Program::Value& value : program_.values) {
      // Aliases and slices need it in memory.
      if (value.owner != Program::kNone) read_by_step[program_.home(value.owner).owner] = true;
    }
    repeated_by_.assign(program_.values.size(), Program::kNone);
    for (const Open& group : closed_) {
      for (const std::uint32_t s : group.members) {
        const Program::Step& step = program_.steps[s];
        const std::uint32_t v = step.output;
        if (!is_output_[v] || read_by_step[v] || program_.values[v].keep) continue;
        if (type_of(v).dtype != group.dtype) continue;  // a mask: readers may compute in another
        const Formula* const formula = step.op->formula();
        if (formula == nullptr || formula->instructions.size() != 1 || step.input_count != 1)
          continue;
        const std::uint32_t source = program_.inputs_of(step)[0];
        const bool in_memory = program_.values[source].owner == Program::kNone &&
                               is_output_[source] && type_of(source).shape == type_of(v).shape;
        if (!in_memory) continue;
        repeated_by_[v] = s;
        is_output_[v] = false;
      }
    }
  }

  /// Turns a group into its step; a lonely member stays what it was.
  void finish(Open& group) {
    const bool reads_in_place = std::ranges::any_of(group.members, [&](std::uint32_t s) {
      return std::ranges::any_of(program_.inputs_of(program_.steps[s]), [&](std::uint32_t input) {
        const bool is_broadcast =
            program_.steps[s].op->formula() == nullptr && type_of(input).shape != group.shape;
        return program_.values[input].stride != 0 || repeated_by_[input] != Program::kNone ||
               is_broadcast;
      });
    });
    const bool is_read = std::ranges::any_of(
        group.members, [&](std::uint32_t s) { return is_output_[program_.steps[s].output]; });
    if (!is_read) {
      order_[group.position] = Program::kNone;
      return;
    }
    if (group.members.size() == 1 && !reads_in_place) {
      const std::uint32_t s = group.members.front();
      program_.steps[s].fused = Program::kNone;
      order_[group.position] = s;
      return;
    }
    Program::Fused fused;
    for (const std::uint32_t s : group.members) {
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        const std::uint32_t again = repeated_by_[input];
        if (again != Program::kNone && program_.steps[again].fused != group.step &&
            std::ranges::find(fused.members, again) == fused.members.end()) {
          fused.members.push_back(again);
        }
      }
    }
    fused.members.insert(fused.members.end(), group.members.begin(), group.members.end());
    for (const std::uint32_t s : group.members) {
      const std::uint32_t output = program_.steps[s].output;
      if (is_output_[output]) fused.outputs.push_back(output);
      program_.values[output].step = group.step;
    }
    const std::vector<std::uint32_t> inputs =
        join_formulas(program_, fused, group.shape, group.dtype, numbers_);
    Program::Step& step = program_.steps[group.step];
    step.output = static_cast<std::uint32_t>(program_.fused.size());
    program_.set_inputs(step, inputs);
    program_.fused.push_back(std::move(fused));
  }

  Program& program_;
  std::vector<bool> is_output_;
  std::vector<std::uint32_t> repeated_by_;  ///< per value: the step its readers repeat, or kNone
  std::vector<int> numbers_;
  std::vector<Open> open_, closed_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

void fuse(Program& program) { Fusion(program).run(); }

}  // namespace unroll::passes
