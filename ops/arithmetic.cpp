// add, sub, mul, div, neg, min, max, clamp, abs, sign. Each op: its formula, then what each
// operand's gradient gets.
#include <fmt/format.h>

#include <unroll/autograd/error.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>

namespace unroll {

namespace {

const Pointwise kAdd{"add", [](Expr a, Expr b) { return a + b; },
                     [](Expr, Expr, Expr, Expr dy) { return dy; },
                     [](Expr, Expr, Expr, Expr dy) { return dy; }};

const Pointwise kSub{"sub", [](Expr a, Expr b) { return a - b; },
                     [](Expr, Expr, Expr, Expr dy) { return dy; },
                     [](Expr, Expr, Expr, Expr dy) { return -dy; }};

const Pointwise kMul{"mul", [](Expr a, Expr b) { return a * b; },
                     [](Expr, Expr b, Expr, Expr dy) { return dy * b; },
                     [](Expr a, Expr, Expr, Expr dy) { return dy * a; }};

const Pointwise kDiv{"div", [](Expr a, Expr b) { return a / b; },
                     [](Expr, Expr b, Expr, Expr dy) { return dy / b; },
                     [](Expr, Expr b, Expr y, Expr dy) { return -dy * y / b; }};

const Pointwise kNeg{"neg", [](Expr x) { return -x; }, [](Expr, Expr, Expr dy) { return -dy; }};

const Pointwise kMin{
    "min", [](Expr a, Expr b) { return min(a, b); },
    [](Expr a, Expr b, Expr, Expr dy) { return where(a < b, dy, where(a == b, dy * 0.5, 0)); },
    [](Expr a, Expr b, Expr, Expr dy) { return where(b < a, dy, where(a == b, dy * 0.5, 0)); }};

const Pointwise kMax{
    "max", [](Expr a, Expr b) { return max(a, b); },
    [](Expr a, Expr b, Expr, Expr dy) { return where(a > b, dy, where(a == b, dy * 0.5, 0)); },
    [](Expr a, Expr b, Expr, Expr dy) { return where(b > a, dy, where(a == b, dy * 0.5, 0)); }};

const Pointwise kClamp{"clamp", [](Expr x, Expr low, Expr high) { return min(max(x, low), high); },
                       [](Expr x, Expr low, Expr high, Expr, Expr dy) {
                         return where(x < low, 0, where(x > high, 0, dy));
                       }};

const Pointwise kAbs{"abs", [](Expr x) { return abs(x); },
                     [](Expr x, Expr, Expr dy) { return dy * sign(x); }};

const Pointwise kSign{"sign", [](Expr x) { return sign(x); },
                      [](Expr, Expr, Expr) { return Expr(0); }};

}  // namespace

Variable add(const Operand& a, const Operand& b) { return kAdd(a, b); }
Variable sub(const Operand& a, const Operand& b) { return kSub(a, b); }
Variable mul(const Operand& a, const Operand& b) { return kMul(a, b); }
Variable div(const Operand& a, const Operand& b) { return kDiv(a, b); }
Variable neg(const Operand& x) { return kNeg(x); }
Variable min(const Operand& a, const Operand& b) { return kMin(a, b); }
Variable max(const Operand& a, const Operand& b) { return kMax(a, b); }
Variable abs(const Operand& x) { return kAbs(x); }
Variable sign(const Operand& x) { return kSign(x); }

Variable clamp(const Operand& x, double low, double high) {
  if (!(low <= high)) {
    throw ValueError(fmt::format("{}: clamp: got low {} and high {}; expected low <= high",
                                 to_string(x.where()), low, high));
  }
  return kClamp(x, Scalars{low, high});
}

}  // namespace unroll
