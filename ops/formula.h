// Formula: a pointwise function as a short program. A lambda over `Expr` is traced once, when its
// op is defined; the program then runs tile by tile on whatever vector unit the CPU has, in float
// or double, and can be replayed as ops on a tape.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <unroll/autograd/formula.h>
#include <unroll/autograd/op.h>

namespace unroll {

/// How many intermediate values of a formula may be live at once.
inline constexpr int kMaxRegisters = 24;
/// How many parameters and constants a formula may have together.
inline constexpr int kMaxScalars = 16;

/// A value inside a formula. Mixes with numbers; comparisons give 1 or 0.
class Expr {
 public:
  Expr(double constant) : constant_(constant) {}  // NOLINT(google-explicit-constructor)
  Expr(Formula* formula, int value) : formula_(formula), value_(value) {}

  /// The formula being traced, or null for a plain number.
  Formula* formula() const { return formula_; }
  double constant() const { return constant_; }
  /// The value number in `formula`, entering a plain number into its constants.
  std::int16_t value_in(Formula& formula) const;

 private:
  Formula* formula_ = nullptr;
  int value_ = 0;
  double constant_ = 0;
};

/// The expression code(a, b, c); what all functions below are.
Expr apply(Code code, const Expr& a);
Expr apply(Code code, const Expr& a, const Expr& b);
Expr apply(Code code, const Expr& a, const Expr& b, const Expr& c);

inline Expr operator-(const Expr& a) { return apply(Code::neg, a); }
inline Expr abs(const Expr& a) { return apply(Code::abs, a); }
inline Expr sign(const Expr& a) { return apply(Code::sign, a); }
inline Expr exp(const Expr& a) { return apply(Code::exp, a); }
inline Expr log(const Expr& a) { return apply(Code::log, a); }
inline Expr log1p(const Expr& a) { return apply(Code::log1p, a); }
inline Expr expm1(const Expr& a) { return apply(Code::expm1, a); }
inline Expr sqrt(const Expr& a) { return apply(Code::sqrt, a); }
inline Expr tanh(const Expr& a) { return apply(Code::tanh, a); }
inline Expr sigmoid(const Expr& a) { return apply(Code::sigmoid, a); }
inline Expr sin(const Expr& a) { return apply(Code::sin, a); }
inline Expr cos(const Expr& a) { return apply(Code::cos, a); }
inline Expr erf(const Expr& a) { return apply(Code::erf, a); }
inline Expr operator+(const Expr& a, const Expr& b) { return apply(Code::add, a, b); }
inline Expr operator-(const Expr& a, const Expr& b) { return apply(Code::sub, a, b); }
inline Expr operator*(const Expr& a, const Expr& b) { return apply(Code::mul, a, b); }
inline Expr operator/(const Expr& a, const Expr& b) { return apply(Code::div, a, b); }
inline Expr pow(const Expr& a, const Expr& b) { return apply(Code::pow, a, b); }
inline Expr min(const Expr& a, const Expr& b) { return apply(Code::min, a, b); }
inline Expr max(const Expr& a, const Expr& b) { return apply(Code::max, a, b); }
inline Expr operator<(const Expr& a, const Expr& b) { return apply(Code::less, a, b); }
inline Expr operator<=(const Expr& a, const Expr& b) { return apply(Code::less_equal, a, b); }
inline Expr operator>(const Expr& a, const Expr& b) { return apply(Code::less, b, a); }
inline Expr operator>=(const Expr& a, const Expr& b) { return apply(Code::less_equal, b, a); }
inline Expr operator==(const Expr& a, const Expr& b) { return apply(Code::equal, a, b); }
inline Expr operator!=(const Expr& a, const Expr& b) { return apply(Code::not_equal, a, b); }
inline Expr square(const Expr& a) { return a * a; }
/// `condition` ? a : b, where the operand that is not chosen has no influence, not even as NaN.
inline Expr where(const Expr& condition, const Expr& a, const Expr& b) {
  return apply(Code::where, condition, a, b);
}

namespace detail {

template <class F, std::size_t... I>
Expr call_with(const F& f, const std::vector<Expr>& arguments, std::index_sequence<I...>) {
  return f(arguments[I]...);
}

/// How many Exprs F can be called with: the first fit of 0..12.
template <class F, class... E>
constexpr int arity() {
  if constexpr (std::is_invocable_r_v<Expr, F, E...>) {
    return sizeof...(E);
  } else {
    static_assert(sizeof...(E) < 12, "a formula is a function of Exprs that returns an Expr");
    return arity<F, E..., Expr>();
  }
}

void finish(Formula& formula, const Expr& result);

}  // namespace detail

/// Runs `f` once on Exprs and keeps what it did. `inputs` of its arguments are tensors, the rest
/// are scalar parameters. Throws ValueError if more than kMaxRegisters values are live at once, or
/// there are more than kMaxScalars constants and parameters.
template <class F>
Formula trace(const F& f, int inputs) {
  constexpr int kArity = detail::arity<F>();
  Formula formula;
  formula.inputs = inputs;
  formula.parameters = kArity - inputs;
  std::vector<Expr> arguments;
  arguments.reserve(kArity);
  for (int i = 0; i < kArity; ++i) arguments.emplace_back(&formula, i);
  detail::finish(formula,
                 detail::call_with(f, arguments, std::make_index_sequence<std::size_t{kArity}>()));
  return formula;
}

/// The same formula with the arguments it does not use left out; `used[k]` becomes the number of
/// the old input that is the new input k. Parameters stay.
Formula without_unused_inputs(const Formula& formula, std::vector<int>& used);

/// The value of one primitive; the definition that every vector kernel is tested against.
double evaluate(Code code, double a, double b = 0, double c = 0);

/// y = formula(inputs..., parameters...), broadcasting the inputs to the shape of y. Computes in
/// float if every floating input is, else in double. `accumulate` adds to y.
void run_formula(const Formula& formula, std::span<const ConstView> inputs,
                 std::span<const double> parameters, const View& y, bool accumulate);

}  // namespace unroll
