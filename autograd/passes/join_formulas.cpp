// One formula for a group of pointwise steps: arguments, constants, tile registers.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <unroll/autograd/leaves.h>
#include <unroll/autograd/passes/pointwise.h>

namespace unroll::passes {

namespace {

/// Builds the formula of one group.
class Joiner {
 public:
  Joiner(const Program& program, Program::Fused& group, std::vector<int>& numbers)
      : program_(program), group_(group), number_of_(numbers) {}
  ~Joiner() {
    for (const std::uint32_t value : numbered_) number_of_[value] = kUnnumbered;
  }
  Joiner(const Joiner&) = delete;
  Joiner& operator=(const Joiner&) = delete;

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
  static constexpr int kConstant = 1'000'000;
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
    if (number_of_[value] != kUnnumbered) return number_of_[value];
    const Program::Value& v = program_.values[value];
    const FusedFormula::Layout layout = *layout_of(*v.type, shape);
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
    std::vector<int>& numbers = numbers_;
    numbers.clear();
    for (const std::uint32_t input : inputs) numbers.push_back(value(input, shape));
    for (int k = 0; k < formula->parameters; ++k) {
      double parameter = 0;
      std::memcpy(
          &parameter,
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
  std::vector<int> numbers_;  ///< of the values of the formula that is added
  std::vector<std::uint32_t> inputs_;
  std::vector<int>& number_of_;  ///< per value
  std::vector<std::uint32_t> numbered_;
};

}  // namespace

std::vector<std::uint32_t> join_formulas(const Program& program, Program::Fused& group,
                                         const Shape& shape, Dtype dtype,
                                         std::vector<int>& numbers) {
  return Joiner(program, group, numbers).join(shape, dtype);
}

}  // namespace unroll::passes
