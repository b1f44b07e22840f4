// Tracing formulas: building instructions, assigning tile registers.
#include <unroll/ops/formula.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>

namespace unroll {

namespace {

Expr append(Code code, std::span<const Expr> operands) {
  Formula* formula = nullptr;
  for (const Expr& e : operands) formula = e.formula() != nullptr ? e.formula() : formula;
  if (formula == nullptr) {  // numbers only: nothing to trace
    std::array<double, 3> x{};
    std::ranges::transform(operands, x.begin(), &Expr::constant);
    return Expr(evaluate(code, x[0], x[1], x[2]));
  }
  constexpr int kMaxValues = std::numeric_limits<std::int16_t>::max();
  if (formula->arguments() + static_cast<int>(formula->instructions.size()) >= kMaxValues) {
    throw ValueError(fmt::format("formula: more than {} values; split the op", kMaxValues));
  }
  Formula::Instruction instruction{code};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    instruction.operands[i] = operands[i].value_in(*formula);
  }
  formula->instructions.push_back(instruction);
  return {formula, formula->arguments() + static_cast<int>(formula->instructions.size()) - 1};
}

}  // namespace

std::int16_t Expr::value_in(Formula& formula) const {
  if (formula_ != nullptr) return static_cast<std::int16_t>(value_);
  // By bits: 0 and -0 differ, NaN equals itself.
  const auto found = std::ranges::find_if(formula.constants, [&](double c) {
    return std::bit_cast<std::uint64_t>(c) == std::bit_cast<std::uint64_t>(constant_);
  });
  const auto k = found - formula.constants.begin();
  if (found == formula.constants.end()) formula.constants.push_back(constant_);
  return static_cast<std::int16_t>(-1 - k);
}

Expr apply(Code code, const Expr& a) { return append(code, std::array{a}); }
Expr apply(Code code, const Expr& a, const Expr& b) { return append(code, std::array{a, b}); }
Expr apply(Code code, const Expr& a, const Expr& b, const Expr& c) {
  return append(code, std::array{a, b, c});
}

bool Formula::uses(int argument) const {
  if (result == argument) return true;
  return std::ranges::any_of(instructions, [&](const Instruction& instruction) {
    const auto end = instruction.operands.begin() + operand_count(instruction.code);
    return std::find(instruction.operands.begin(), end, argument) != end;
  });
}

bool Formula::is_zero() const {
  return result < 0 && constants[static_cast<std::size_t>(-1 - result)] == 0;
}

bool Formula::is_whole() const {
  constexpr std::array kWhole{
      Code::neg, Code::abs,  Code::sign,       Code::add,   Code::sub,       Code::mul,  Code::min,
      Code::max, Code::less, Code::less_equal, Code::equal, Code::not_equal, Code::where};
  const bool codes = std::ranges::all_of(instructions, [&](const Instruction& instruction) {
    return std::ranges::find(kWhole, instruction.code) != kWhole.end();
  });
  return codes && std::ranges::all_of(constants, [](double c) { return c == std::trunc(c); });
}

bool Formula::is_predicate() const {
  if (result < arguments()) return false;
  const Code code = instructions[static_cast<std::size_t>(result - arguments())].code;
  return code >= Code::less && code <= Code::not_equal;
}

void detail::finish(Formula& formula, const Expr& result) {
  formula.result = result.value_in(formula);
  const int arguments = formula.arguments();
  const auto count = static_cast<int>(formula.instructions.size());
  std::vector<int> last_use(formula.instructions.size(), -1);
  for (int i = 0; i < count; ++i) {
    const auto& instruction = formula.instructions[static_cast<std::size_t>(i)];
    for (int k = 0; k < operand_count(instruction.code); ++k) {
      const int value = instruction.operands[static_cast<std::size_t>(k)] - arguments;
      if (value >= 0) last_use[static_cast<std::size_t>(value)] = i;
    }
  }
  if (formula.result >= arguments) {
    last_use[static_cast<std::size_t>(formula.result - arguments)] = count;
  }
  std::vector<std::int16_t> free;
  for (int i = 0; i < count; ++i) {
    auto& instruction = formula.instructions[static_cast<std::size_t>(i)];
    if (free.empty()) {
      instruction.target = static_cast<std::int16_t>(formula.registers++);
    } else {
      instruction.target = free.back();
      free.pop_back();
    }
    // Results that nobody reads again, this one included, give their register back. An operand's
    // register is not reused by its reader: kernels take it that targets are other memory.
    const auto release = [&](int value) {
      if (value < 0 || last_use[static_cast<std::size_t>(value)] > i) return;
      last_use[static_cast<std::size_t>(value)] = count + 1;  // once
      free.push_back(formula.instructions[static_cast<std::size_t>(value)].target);
    };
    for (int k = 0; k < operand_count(instruction.code); ++k) {
      release(instruction.operands[static_cast<std::size_t>(k)] - arguments);
    }
    release(i);
  }
  if (formula.parameters + static_cast<int>(formula.constants.size()) > kMaxScalars) {
    throw ValueError(fmt::format("formula: {} constants; at most {} with the parameters",
                                 formula.constants.size(), kMaxScalars));
  }
  if (formula.registers > kMaxRegisters) {
    throw ValueError(
        fmt::format("formula: {} intermediate values are live at once; at most {} "
                    "are supported, split the op",
                    formula.registers, kMaxRegisters));
  }
}

Formula without_unused_inputs(const Formula& formula, std::vector<int>& used) {
  used.clear();
  std::vector<std::int16_t> renamed(static_cast<std::size_t>(formula.arguments()));
  for (int i = 0; i < formula.inputs; ++i) {
    renamed[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(used.size());
    if (formula.uses(i)) used.push_back(i);
  }
  const auto removed = formula.inputs - static_cast<int>(used.size());
  const auto rename = [&](std::int16_t value) {
    if (value < 0) return value;
    if (value >= formula.inputs) return static_cast<std::int16_t>(value - removed);
    return renamed[static_cast<std::size_t>(value)];
  };
  Formula result = formula;
  result.inputs -= removed;
  result.result = rename(result.result);
  for (auto& instruction : result.instructions) {
    for (auto& operand : instruction.operands) operand = rename(operand);
  }
  return result;
}

double evaluate(Code code, double a, double b, double c) {
  switch (code) {
    case Code::neg: return -a;
    case Code::abs: return std::abs(a);
    case Code::sign: return a > 0 ? 1 : a < 0 ? -1 : a;
    case Code::exp: return std::exp(a);
    case Code::log: return std::log(a);
    case Code::log1p: return std::log1p(a);
    case Code::expm1: return std::expm1(a);
    case Code::sqrt: return std::sqrt(a);
    case Code::tanh: return std::tanh(a);
    case Code::sigmoid: return 1 / (1 + std::exp(-a));
    case Code::sin: return std::sin(a);
    case Code::cos: return std::cos(a);
    case Code::erf: return std::erf(a);
    case Code::add: return a + b;
    case Code::sub: return a - b;
    case Code::mul: return a * b;
    case Code::div: return a / b;
    case Code::pow: return std::pow(a, b);
    case Code::min: return std::isnan(a) || a < b ? a : b;
    case Code::max: return std::isnan(a) || a > b ? a : b;
    case Code::less: return a < b;
    case Code::less_equal: return a <= b;
    case Code::equal: return a == b;
    case Code::not_equal: return a != b;
    case Code::where: return a != 0 ? b : c;
  }
  return 0;
}

}  // namespace unroll
