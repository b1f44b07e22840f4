// Powers, exponentials, trigonometry. Each op: its formula, then what the gradient gets.
#include <cmath>
#include <numbers>

#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>

namespace unroll {

namespace {

const Pointwise kSquare{"square", [](Expr x) { return x * x; },
                        [](Expr x, Expr, Expr dy) { return 2 * x * dy; }};

const Pointwise kSqrt{"sqrt", [](Expr x) { return sqrt(x); },
                      [](Expr, Expr y, Expr dy) { return dy / (2 * y); }};

const Pointwise kRsqrt{"rsqrt", [](Expr x) { return 1 / sqrt(x); },
                       [](Expr x, Expr y, Expr dy) { return -0.5 * dy * y / x; }};

const Pointwise kPow{
    "pow", [](Expr a, Expr b) { return pow(a, b); },
    [](Expr a, Expr b, Expr, Expr dy) { return where(b == 0, 0, dy * b * pow(a, b - 1)); },
    [](Expr a, Expr, Expr y, Expr dy) {
      // log(0) would make the derivative of this rule NaN.
      return where(a == 0, 0, dy * y * log(where(a == 0, 1, a)));
    }};

const Pointwise kExp{"exp", [](Expr x) { return exp(x); },
                     [](Expr, Expr y, Expr dy) { return dy * y; }};

const Pointwise kExpm1{"expm1", [](Expr x) { return expm1(x); },
                       [](Expr, Expr y, Expr dy) { return dy * (y + 1); }};

const Pointwise kLog{"log", [](Expr x) { return log(x); },
                     [](Expr x, Expr, Expr dy) { return dy / x; }};

const Pointwise kLog1p{"log1p", [](Expr x) { return log1p(x); },
                       [](Expr x, Expr, Expr dy) { return dy / (1 + x); }};

const Pointwise kSin{"sin", [](Expr x) { return sin(x); },
                     [](Expr x, Expr, Expr dy) { return dy * cos(x); }};

const Pointwise kCos{"cos", [](Expr x) { return cos(x); },
                     [](Expr x, Expr, Expr dy) { return -dy * sin(x); }};

const Pointwise kErf{
    "erf", [](Expr x) { return erf(x); },
    [](Expr x, Expr, Expr dy) { return dy * exp(-x * x) * (2 * std::numbers::inv_sqrtpi); }};

}  // namespace

Variable square(const Operand& x) { return kSquare(x); }
Variable sqrt(const Operand& x) { return kSqrt(x); }
Variable rsqrt(const Operand& x) { return kRsqrt(x); }
Variable pow(const Operand& a, const Operand& b) { return kPow(a, b); }
Variable exp(const Operand& x) { return kExp(x); }
Variable expm1(const Operand& x) { return kExpm1(x); }
Variable log(const Operand& x) { return kLog(x); }
Variable log1p(const Operand& x) { return kLog1p(x); }
Variable sin(const Operand& x) { return kSin(x); }
Variable cos(const Operand& x) { return kCos(x); }
Variable erf(const Operand& x) { return kErf(x); }

}  // namespace unroll
