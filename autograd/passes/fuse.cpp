// Pass: connected pointwise steps become one step.
//
// One walk in order. A pointwise step joins the open group of its shape; a group stays open, and
// so runs later than its members were recorded, until a step outside reads one of its values. That
// keeps every value before its readers, whatever the graph. Values that only members read are never
// written to memory. Slices that only pointwise steps read are read where they lie.
#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/program.h>

namespace unroll::passes {

namespace {

constexpr std::size_t kMaxInstructions = 160, kMaxInputs = 64;
/// Longer sums are better added up in place.
constexpr std::size_t kMaxTerms = 4;

/// The elements of a shape as rows and columns.
struct Matrix {
  explicit Matrix(const Shape& shape)
      : columns(shape.rank() == 0 ? 1 : shape.extent(-1)),
        rows(columns == 0 ? 0 : shape.size() / columns) {}
  std::int64_t columns, rows;
};

/// How an operand of shape `from` is read along the rows and columns of `to`, if it can be.
std::optional<FusedFormula::Layout> layout_of(const Type& from, const Shape& to) {
  const Matrix matrix(to), own(from.shape);
  if (from.shape.size() == 1) return FusedFormula::Layout{from.dtype, 0, 0};
  if (own.rows == matrix.rows && own.columns == matrix.columns) {
    return FusedFormula::Layout{from.dtype, matrix.columns, 1};
  }
  if (own.rows == 1 && own.columns == matrix.columns) return FusedFormula::Layout{from.dtype, 0, 1};
  const bool is_column = from.shape.rank() == to.rank() && own.columns == 1 &&
                         from.shape.with(to.rank() - 1, matrix.columns) == to;
  if (is_column) return FusedFormula::Layout{from.dtype, 1, 0};
  return std::nullopt;
}

/// Builds the formula of one group.
class Joiner {
 public:
  /// `numbers` has kUnknown for every value, also afterwards.
  Joiner(const Program& program, Program::Fused& group, std::vector<int>& numbers)
      : program_(program), group_(group), number_of_(numbers) {}
  ~Joiner() {
    for (const std::uint32_t value : numbered_) number_of_[value] = kUnknown;
  }
  Joiner(const Joiner&) = delete;
  Joiner& operator=(const Joiner&) = delete;

  static constexpr int kUnknown = 1 << 30;

  /// Returns the values that are read from outside, in the order of the formula's inputs.
  std::vector<std::uint32_t> join(const Shape& shape, Dtype dtype) {
    FusedFormula& formula = group_.formula;
    formula.dtype = dtype;
    formula.rows = Matrix(shape).rows;
    formula.columns = Matrix(shape).columns;
    for (const std::uint32_t s : group_.members) add(program_.steps[s], shape);
    const auto constant_base = static_cast<int>(inputs_.size());
    const auto result_base = constant_base + static_cast<int>(formula.constants.size());
    assign_registers(result_base);
    const auto place = [&](int tagged) {
      if (tagged >= kConstant) return constant_base + tagged - kConstant;
      if (tagged < 0) return -1 - tagged;
      return places_[static_cast<std::size_t>(tagged)];
    };
    for (std::size_t k = 0; k < code_.size(); ++k) {
      FusedFormula::Instruction instruction{code_[k].code};
      for (int i = 0; i < operand_count(code_[k].code); ++i) {
        const auto operand = static_cast<std::size_t>(i);
        instruction.operands[operand] =
            static_cast<std::uint16_t>(place(code_[k].operands[operand]));
      }
      instruction.target = static_cast<std::uint16_t>(places_[k]);
      formula.instructions.push_back(instruction);
    }
    for (const std::uint32_t output : group_.outputs) {
      formula.results.push_back({program_.values[output].type->dtype, formula.columns, 1});
    }
    return std::move(inputs_);
  }

 private:
  // Until everything is known, results are numbered by instruction, inputs from -1 downwards and
  // constants from here on.
  static constexpr int kConstant = 1 << 20;
  struct Instruction {
    Code code;
    std::array<int, 3> operands{};
  };

  int constant(double number) {
    auto& constants = group_.formula.constants;
    const auto found = std::ranges::find_if(constants, [&](double c) {
      return std::bit_cast<std::uint64_t>(c) == std::bit_cast<std::uint64_t>(number);
    });
    const auto k = found - constants.begin();
    if (found == constants.end()) constants.push_back(number);
    return kConstant + static_cast<int>(k);
  }

  int value(std::uint32_t value, const Shape& shape) {
    if (number_of_[value] != kUnknown) return number_of_[value];
    const Program::Value& v = program_.values[value];
    FusedFormula::Layout layout = *layout_of(*v.type, shape);
    if (v.stride != 0) layout.row_stride = v.stride;
    group_.formula.inputs.push_back(layout);
    inputs_.push_back(value);
    return set_number(value, -static_cast<int>(inputs_.size()));
  }

  int set_number(std::uint32_t value, int number) {
    numbered_.push_back(value);
    return number_of_[value] = number;
  }

  int instruction(Code code, const std::array<int, 3>& operands) {
    code_.push_back({code, operands});
    return static_cast<int>(code_.size()) - 1;
  }

  void add(const Program::Step& step, const Shape& shape) {
    const auto inputs = program_.inputs_of(step);
    const Formula* const formula = step.op->formula();
    if (formula == nullptr) {  // a sum
      int total = value(inputs[0], shape);
      for (std::size_t i = 1; i < inputs.size(); ++i) {
        total = instruction(Code::add, {total, value(inputs[i], shape), 0});
      }
      set_number(step.output, total);
      return;
    }
    std::vector<int> numbers;
    for (const std::uint32_t input : inputs) numbers.push_back(value(input, shape));
    for (int k = 0; k < formula->parameters; ++k) {
      double parameter = 0;
      std::memcpy(&parameter,
                  &program_.attributes[step.attributes + static_cast<std::size_t>(k) * sizeof(double)],
                  sizeof(double));
      numbers.push_back(constant(parameter));
    }
    const auto number = [&](std::int16_t v) {
      if (v < 0) return constant(formula->constants[static_cast<std::size_t>(-1 - v)]);
      return numbers[static_cast<std::size_t>(v)];
    };
    for (const Formula::Instruction& own : formula->instructions) {
      std::array<int, 3> operands{};
      for (int i = 0; i < operand_count(own.code); ++i) {
        operands[static_cast<std::size_t>(i)] = number(own.operands[static_cast<std::size_t>(i)]);
      }
      numbers.push_back(instruction(own.code, operands));
    }
    set_number(step.output, number(formula->result));
  }

  /// The table place of each instruction's result: an output's own, or a register until the last
  /// reader. No operand's register is reused by its reader.
  void assign_registers(int result_base) {
    constexpr std::size_t kNever = ~std::size_t{0};
    std::vector<std::size_t> last_use(code_.size(), kNever);
    for (std::size_t k = 0; k < code_.size(); ++k) {
      for (int i = 0; i < operand_count(code_[k].code); ++i) {
        const int operand = code_[k].operands[static_cast<std::size_t>(i)];
        if (operand >= 0 && operand < kConstant) last_use[static_cast<std::size_t>(operand)] = k;
      }
    }
    places_.assign(code_.size(), -1);
    for (std::size_t i = 0; i < group_.outputs.size(); ++i) {
      places_[static_cast<std::size_t>(number_of_[group_.outputs[i]])] =
          result_base + static_cast<int>(i);
    }
    const auto register_base = result_base + static_cast<int>(group_.outputs.size());
    std::vector<int> free;
    for (std::size_t k = 0; k < code_.size(); ++k) {
      if (places_[k] < 0) {
        if (free.empty()) {
          free.push_back(register_base + static_cast<int>(group_.formula.registers++));
        }
        places_[k] = free.back();
        free.pop_back();
      }
      for (int i = 0; i < operand_count(code_[k].code); ++i) {
        const int operand = code_[k].operands[static_cast<std::size_t>(i)];
        if (operand < 0 || operand >= kConstant) continue;
        std::size_t& last = last_use[static_cast<std::size_t>(operand)];
        const int place = places_[static_cast<std::size_t>(operand)];
        if (last == k && place >= register_base) free.push_back(place);
        if (last == k) last = kNever;  // once, even if read twice here
      }
    }
  }

  const Program& program_;
  Program::Fused& group_;
  std::vector<Instruction> code_;
  std::vector<int> places_;
  std::vector<std::uint32_t> inputs_;
  std::vector<int>& number_of_;  ///< per value
  std::vector<std::uint32_t> numbered_;
};

class Fusion {
 public:
  explicit Fusion(Program& program) : program_(program) {
    program_.count_uses();
    fusable_.resize(program_.steps.size());
    for (const std::uint32_t s : program_.order) fusable_[s] = is_fusable(program_.steps[s]);
    find_views();
  }

  void run() {
    for (const std::uint32_t s : program_.order) {
      if (program_.steps[s].removed) continue;
      if (fusable_[s]) {
        add_to_group(s);
      } else {
        for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
          close_producer(input, Program::kNone);
        }
        order_.push_back(s);
      }
    }
    while (!open_.empty()) close(open_.size() - 1);
    find_outputs();
    numbers_.assign(program_.values.size(), Joiner::kUnknown);
    for (Open& group : closed_) finish(group);
    program_.order = std::move(order_);
  }

 private:
  struct Open {
    std::uint32_t step = 0;  ///< the fused step
    Shape shape = {};
    Dtype dtype = Dtype::float32;
    std::size_t instructions = 0, inputs = 0;
    std::size_t position = 0;  ///< in the new order, once closed
    std::vector<std::uint32_t> members = {};
  };

  const Type& type_of(std::uint32_t value) const { return *program_.values[value].type; }

  /// The floating dtype that a step computes in, if it is pointwise and its operands can be read
  /// along the rows and columns of its result.
  std::optional<Dtype> dtype_of(const Program::Step& step) const {
    const Type& output = type_of(step.output);
    std::optional<Dtype> dtype;
    if (is_floating(output.dtype)) dtype = output.dtype;
    if (!dtype && output.dtype != Dtype::bool_) return std::nullopt;
    for (const std::uint32_t input : program_.inputs_of(step)) {
      const Dtype own = type_of(input).dtype;
      if (own == Dtype::int32 || (is_floating(own) && dtype && own != *dtype)) return std::nullopt;
      if (is_floating(own)) dtype = own;
      if (!layout_of(type_of(input), output.shape)) return std::nullopt;
    }
    return dtype ? dtype : Dtype::float32;
  }

  bool is_fusable(const Program::Step& step) const {
    if (step.kind != Program::Kind::op || type_of(step.output).shape.size() == 0) return false;
    if (step.op == &accumulate_op()) {
      // Where two or more terms can add themselves to the sum, that needs less memory.
      const auto adds_itself = [&](std::uint32_t input) {
        const Program::Value& v = program_.values[input];
        return v.step != Program::kNone && v.uses == 1 && !v.keep &&
               program_.steps[v.step].kind == Program::Kind::op &&
               program_.steps[v.step].op->formula() == nullptr &&
               program_.steps[v.step].op->traits().accumulates;
      };
      if (step.input_count > kMaxTerms || step.input_count < 2 ||
          std::ranges::count_if(program_.inputs_of(step), adds_itself) > 1) {
        return false;
      }
    } else {
      const Formula* const formula = step.op->formula();
      if (formula == nullptr || formula->result < formula->arguments()) return false;
    }
    return dtype_of(step).has_value();
  }

  /// A region of an array that only pointwise steps read becomes an alias with a row stride.
  void find_views() {
    std::vector<std::uint32_t> pointwise_uses(program_.values.size(), 0);
    for (const std::uint32_t s : program_.order) {
      if (!fusable_[s]) continue;
      for (const std::uint32_t input : program_.inputs_of(program_.steps[s])) {
        if (type_of(input).shape == type_of(program_.steps[s].output).shape) {
          ++pointwise_uses[input];
        }
      }
    }
    std::vector<const Type*> types;
    for (const std::uint32_t s : program_.order) {
      Program::Step& step = program_.steps[s];
      const Program::Value& value = program_.values[step.output];
      if (step.kind != Program::Kind::op || value.keep || value.uses == 0 ||
          value.uses != pointwise_uses[step.output]) {
        continue;
      }
      const auto region = step.op->taken(signature_of(program_, step, types));
      const Matrix matrix(value.type->shape);
      if (!region || region->rows != matrix.rows || region->columns != matrix.columns) continue;
      const auto size = static_cast<std::int64_t>(size_of(value.type->dtype));
      program_.make_alias(step.output, program_.inputs_of(step)[0], region->offset * size,
                          region->stride);
      step.removed = true;
    }
  }

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

  void add_to_group(std::uint32_t s) {
    const Program::Step step = program_.steps[s];
    const Shape& shape = type_of(step.output).shape;
    const Dtype dtype = *dtype_of(step);
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
    is_output_.assign(program_.values.size(), false);
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
    for (std::size_t v = 0; v < program_.values.size(); ++v) {
      if (program_.values[v].keep) is_output_[v] = true;
    }
  }

  /// Turns a group into its step; a lonely member stays what it was.
  void finish(Open& group) {
    const bool reads_view = std::ranges::any_of(group.members, [&](std::uint32_t s) {
      return std::ranges::any_of(program_.inputs_of(program_.steps[s]), [&](std::uint32_t input) {
        return program_.values[input].stride != 0;
      });
    });
    if (group.members.size() == 1 && !reads_view) {
      const std::uint32_t s = group.members.front();
      program_.steps[s].fused = Program::kNone;
      order_[group.position] = s;
      return;
    }
    Program::Fused fused;
    fused.members = group.members;
    for (const std::uint32_t s : group.members) {
      const std::uint32_t output = program_.steps[s].output;
      if (is_output_[output]) fused.outputs.push_back(output);
      program_.steps[s].removed = true;
      program_.values[output].step = group.step;
    }
    const std::vector<std::uint32_t> inputs =
        Joiner(program_, fused, numbers_).join(group.shape, group.dtype);
    Program::Step& step = program_.steps[group.step];
    step.output = static_cast<std::uint32_t>(program_.fused.size());
    program_.set_inputs(step, inputs);
    program_.fused.push_back(std::move(fused));
  }

  Program& program_;
  std::vector<bool> fusable_;
  std::vector<bool> is_output_;
  std::vector<int> numbers_;
  std::vector<Open> open_, closed_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

void fuse(Program& program) { Fusion(program).run(); }

}  // namespace unroll::passes
