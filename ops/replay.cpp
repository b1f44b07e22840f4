// Replays a formula as primitive ops on a tape: how derivative formulas are differentiated again.
#include <unroll/autograd/error.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>

namespace unroll {

namespace {

Variable primitive(Code code, const Variable& a, const Variable& b, const Variable& c) {
  switch (code) {
    case Code::neg: return neg(a);
    case Code::abs: return abs(a);
    case Code::sign: return sign(a);
    case Code::exp: return exp(a);
    case Code::log: return log(a);
    case Code::log1p: return log1p(a);
    case Code::expm1: return expm1(a);
    case Code::sqrt: return sqrt(a);
    case Code::tanh: return tanh(a);
    case Code::sigmoid: return sigmoid(a);
    case Code::sin: return sin(a);
    case Code::cos: return cos(a);
    case Code::erf: return erf(a);
    case Code::add: return a + b;
    case Code::sub: return a - b;
    case Code::mul: return a * b;
    case Code::div: return a / b;
    case Code::pow: return pow(a, b);
    case Code::min: return min(a, b);
    case Code::max: return max(a, b);
    case Code::less: return a < b;
    case Code::less_equal: return a <= b;
    case Code::equal: return equal(a, b);
    case Code::not_equal: return not_equal(a, b);
    case Code::where: return where(a, b, c);
  }
  throw ValueError("replay: unknown primitive");
}

}  // namespace

Variable replay(const Formula& formula, std::span<const Variable> inputs,
                const Scalars& parameters) {
  Dtype dtype = Dtype::float32;
  for (const Variable& input : inputs) {
    if (is_floating(input.dtype())) dtype = input.dtype();
  }
  const auto constant = [&](double number) { return constant_like(inputs.front(), number, dtype); };
  Variables values(inputs.begin(), inputs.end());
  for (int k = 0; k < formula.parameters; ++k) {
    values.push_back(constant(parameters[static_cast<std::size_t>(k)]));
  }
  const auto value = [&](std::int16_t number) {
    if (number >= 0) return values[static_cast<std::size_t>(number)];
    return constant(formula.constants[static_cast<std::size_t>(-1 - number)]);
  };
  for (const Formula::Instruction& step : formula.instructions) {
    const Variable a = value(step.operands[0]);
    const Variable b = step.code < Code::add ? Variable() : value(step.operands[1]);
    const Variable c = step.code < Code::where ? Variable() : value(step.operands[2]);
    values.push_back(primitive(step.code, a, b, c));
  }
  return value(formula.result);
}

}  // namespace unroll
