// Comparisons and where.
#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>

namespace unroll {

namespace {

const Pointwise kLess{"less", [](Expr a, Expr b) { return a < b; }, nullptr, nullptr};
const Pointwise kLessEqual{"less_equal", [](Expr a, Expr b) { return a <= b; }, nullptr, nullptr};
const Pointwise kGreater{"greater", [](Expr a, Expr b) { return a > b; }, nullptr, nullptr};
const Pointwise kGreaterEqual{"greater_equal", [](Expr a, Expr b) { return a >= b; }, nullptr,
                              nullptr};
const Pointwise kEqual{"equal", [](Expr a, Expr b) { return a == b; }, nullptr, nullptr};
const Pointwise kNotEqual{"not_equal", [](Expr a, Expr b) { return a != b; }, nullptr, nullptr};

const Pointwise kWhere{
    "where", [](Expr condition, Expr a, Expr b) { return where(condition, a, b); }, nullptr,
    [](Expr condition, Expr, Expr, Expr, Expr dy) { return where(condition, dy, 0); },
    [](Expr condition, Expr, Expr, Expr, Expr dy) { return where(condition, 0, dy); }};

}  // namespace

Variable less(const Operand& a, const Operand& b) { return kLess(a, b); }
Variable less_equal(const Operand& a, const Operand& b) { return kLessEqual(a, b); }
Variable greater(const Operand& a, const Operand& b) { return kGreater(a, b); }
Variable greater_equal(const Operand& a, const Operand& b) { return kGreaterEqual(a, b); }
Variable equal(const Operand& a, const Operand& b) { return kEqual(a, b); }
Variable not_equal(const Operand& a, const Operand& b) { return kNotEqual(a, b); }
Variable where(const Operand& condition, const Operand& a, const Operand& b) {
  return kWhere(condition, a, b);
}

}  // namespace unroll
