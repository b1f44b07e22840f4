// Samples of the pointwise ops for the gradient checks of all ops.
#include <unroll/ops/elementwise.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

using Unary = Variable (*)(const Operand&);
using Binary = Variable (*)(const Operand&, const Operand&);

const auto one_of = [](Unary op) { return [op](std::span<const Variable> x) { return op(x[0]); }; };
const auto two_of = [](Binary op) {
  return [op](std::span<const Variable> x) { return op(x[0], x[1]); };
};
// Of exp and its kin, large means less.
const Domain kNumbers{}, kExponents{.large = 15}, kAboveZero{0.3, 3, false, 1e-3};
const Domain kNotNearZero{.least = 0.1, .tiny = 1e-4}, kDivisors{.least = 0.1, .tiny = 1e-2};
const InputLists kAnywhere = each(kNumbers), kExponential = each(kExponents),
                 kPositive = each(kAboveZero), kSmooth = each(kNotNearZero);

const Samples kSquareSamples{"square", one_of(square), kAnywhere};
const Samples kSqrtSamples{"sqrt", one_of(sqrt), kPositive};
const Samples kRsqrtSamples{"rsqrt", one_of(rsqrt), kPositive};
const Samples kExpSamples{"exp", one_of(exp), kExponential};
const Samples kExpm1Samples{"expm1", one_of(expm1), kExponential};
const Samples kLogSamples{"log", one_of(log), kPositive};
const Samples kLog1pSamples{"log1p", one_of(log1p), kPositive};
const Samples kSinSamples{"sin", one_of(sin), kAnywhere};
const Samples kCosSamples{"cos", one_of(cos), kAnywhere};
const Samples kErfSamples{"erf", one_of(erf), kAnywhere};
const Samples kNegSamples{"neg", one_of(neg), kAnywhere};
const Samples kAbsSamples{"abs", one_of(abs), kSmooth};
const Samples kSignSamples{"sign", one_of(sign), kSmooth};
const Samples kClampSamples{
    "clamp", [](std::span<const Variable> x) { return clamp(x[0], -0.05, 5); }, kSmooth};
const Samples kTanhSamples{"tanh", one_of(tanh), kAnywhere};
const Samples kSigmoidSamples{"sigmoid", one_of(sigmoid), kAnywhere};
const Samples kReluSamples{"relu", one_of(relu), kSmooth};
const Samples kLeakyReluSamples{
    "leaky_relu", [](std::span<const Variable> x) { return leaky_relu(x[0], 0.2); }, kSmooth};
const Samples kEluSamples{"elu", [](std::span<const Variable> x) { return elu(x[0], 1.3); },
                          kSmooth};
const Samples kGeluSamples{"gelu", one_of(gelu), kAnywhere};
const Samples kSiluSamples{"silu", one_of(silu), kAnywhere};
const Samples kSoftplusSamples{"softplus", one_of(softplus), kSmooth};
const Samples kSoftsignSamples{"softsign", one_of(softsign), kSmooth};
const Samples kAddSamples{"add", two_of(add), pairs()};
const Samples kSubSamples{"sub", two_of(sub), pairs()};
const Samples kMulSamples{"mul", two_of(mul), pairs()};
const Samples kDivSamples{"div", two_of(div), pairs(kNumbers, kDivisors)};
const Samples kMinSamples{"min", two_of(min), pairs(kNumbers, {.tiny = 1e-2})};
const Samples kMaxSamples{"max", two_of(max), pairs(kNumbers, {.tiny = 1e-2})};
const Samples kPowSamples{"pow", two_of(pow), pairs({0.3, 3, false, 1e-2, 30}, {.large = 3})};
// Of an exponent that is a constant 0; by exponents, the second derivative is not that of 0.
const Samples kPowOfZeroSamples{"pow",
                                two_of(pow),
                                {{uniform({2}, 0.3, 3), Tensor(Shape{2}, {0.0, 1.0})}},
                                {.second_order = false}};
InputLists triples() {
  InputLists lists;
  for (const auto& [a, b] : broadcast_shapes()) {
    lists.push_back({kNotNearZero.draw(b), kNumbers.draw(a), kNumbers.draw(b)});
  }
  return lists;
}
const Samples kWhereSamples{
    "where", [](std::span<const Variable> x) { return where(x[0] > 0.0, x[1], x[2]); }, triples()};
const std::string kStep = "a step function: the derivative is 0 wherever it exists";
const NoGradientOp kLessSamples{"less", kStep};
const NoGradientOp kLessEqualSamples{"less_equal", kStep};
const NoGradientOp kGreaterSamples{"greater", kStep};
const NoGradientOp kGreaterEqualSamples{"greater_equal", kStep};
const NoGradientOp kEqualSamples{"equal", kStep};
const NoGradientOp kNotEqualSamples{"not_equal", kStep};

}  // namespace
