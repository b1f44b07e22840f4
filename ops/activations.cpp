// Activation functions. Each op: its formula, then what the gradient gets.
#include <numbers>

#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>

namespace unroll {

namespace {

const Pointwise kTanh{"tanh", [](Expr x) { return tanh(x); },
                      [](Expr, Expr y, Expr dy) { return dy * (1 - y * y); }};

const Pointwise kSigmoid{"sigmoid", [](Expr x) { return sigmoid(x); },
                         [](Expr, Expr y, Expr dy) { return dy * y * (1 - y); }};

const Pointwise kRelu{"relu", [](Expr x) { return max(x, 0); },
                      [](Expr x, Expr, Expr dy) { return where(x > 0, dy, 0); }};

const Pointwise kLeakyRelu{
    "leaky_relu", [](Expr x, Expr slope) { return where(x > 0, x, slope * x); },
    [](Expr x, Expr slope, Expr, Expr dy) { return where(x > 0, dy, slope * dy); }};

const Pointwise kElu{
    "elu", [](Expr x, Expr alpha) { return where(x > 0, x, alpha * expm1(x)); },
    [](Expr x, Expr alpha, Expr y, Expr dy) { return where(x > 0, dy, dy * (y + alpha)); }};

Expr normal_distribution(Expr x) { return 0.5 * (1 + erf(x * (1 / std::numbers::sqrt2))); }
Expr normal_density(Expr x) {
  return exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}
const Pointwise kGelu{
    "gelu", [](Expr x) { return x * normal_distribution(x); },
    [](Expr x, Expr, Expr dy) { return dy * (normal_distribution(x) + x * normal_density(x)); }};

const Pointwise kSilu{"silu", [](Expr x) { return x * sigmoid(x); },
                      [](Expr x, Expr y, Expr dy) {
                        const Expr s = sigmoid(x);
                        return dy * (s + y * (1 - s));
                      }};

const Pointwise kSoftplus{"softplus", [](Expr x) { return max(x, 0) + log1p(exp(-abs(x))); },
                          [](Expr x, Expr, Expr dy) { return dy * sigmoid(x); }};

const Pointwise kSoftsign{"softsign", [](Expr x) { return x / (1 + abs(x)); },
                          [](Expr, Expr y, Expr dy) { return dy * square(1 - abs(y)); }};

}  // namespace

Variable tanh(const Operand& x) { return kTanh(x); }
Variable sigmoid(const Operand& x) { return kSigmoid(x); }
Variable relu(const Operand& x) { return kRelu(x); }
Variable leaky_relu(const Operand& x, double slope) { return kLeakyRelu(x, Scalars{slope}); }
Variable elu(const Operand& x, double alpha) { return kElu(x, Scalars{alpha}); }
Variable gelu(const Operand& x) { return kGelu(x); }
Variable silu(const Operand& x) { return kSilu(x); }
Variable softplus(const Operand& x) { return kSoftplus(x); }
Variable softsign(const Operand& x) { return kSoftsign(x); }

}  // namespace unroll
