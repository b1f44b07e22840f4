// Pointwise: an op that is a formula and its derivatives. This is all a new pointwise op needs:
//
//   const Pointwise softsign_op{"softsign",
//                               [](Expr x) { return x / (1 + abs(x)); },
//                               [](Expr, Expr y, Expr dy) { return dy * square(1 - abs(y)); }};
//   Variable softsign(const Operand& x) { return softsign_op(x); }
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <unroll/autograd/tape.h>
#include <unroll/ops/formula.h>

namespace unroll {

/// Numbers that an op takes beside its tensors (a slope, a bound); at most four.
using Scalars = std::array<double, 4>;

/// y = formula(x_1, ..., x_n, parameters...), element by element, with NumPy's broadcasting.
/// Floating inputs must agree in dtype; bool inputs count as 0 and 1; int32 inputs are for formulas
/// that stay within the whole numbers. The result has the inputs' dtype, or bool if the formula is
/// a comparison.
class Pointwise final : public Op {
 public:
  /// `derivatives` holds, for each input, a function of (x_1, ..., x_n, parameters..., y, dy) that
  /// returns its contribution, or nullptr where there is none; their number is the number of
  /// inputs. Formulas are called once, here. A derivative is itself a formula, so it can be
  /// differentiated again, any number of times.
  template <class F, class... D>
  Pointwise(std::string name, const F& formula, const D&... derivatives)
      : Pointwise(std::move(name), trace(formula, sizeof...(D)), Traits{}) {
    static_assert(sizeof...(D) >= 1 && sizeof...(D) <= detail::arity<F>(),
                  "give one derivative (or nullptr) for each tensor among the formula's arguments");
    (add_derivative(derivatives), ...);
  }

  Variable operator()(const Operand& x, const Scalars& parameters = {}) const {
    return apply({x}, parameters);
  }
  Variable operator()(const Operand& x1, const Operand& x2, const Scalars& parameters = {}) const {
    return apply({x1, x2}, parameters);
  }
  Variable operator()(const Operand& x1, const Operand& x2, const Operand& x3,
                      const Scalars& parameters = {}) const {
    return apply({x1, x2, x3}, parameters);
  }

  const Formula* formula() const override { return &formula_; }

  Type infer(const Signature& call) const override;
  void run(const KernelCall& call) const override;
  void derive(Derivation& d) const override;
  std::size_t attribute_bytes() const override {
    return formula_.parameters == 0 ? 0 : sizeof(Scalars);
  }

 private:
  /// The contribution to one input: a formula over some of (inputs..., y, dy).
  struct Contribution {
    std::unique_ptr<Pointwise> op;  ///< null: none
    std::vector<int> sources;       ///< operand k is input sources[k]; then y, then dy
  };

  Pointwise(std::string name, Formula formula, Traits traits);
  Variable apply(std::initializer_list<Operand> operands, const Scalars& parameters) const {
    return apply(std::span(operands.begin(), operands.size()), parameters);
  }
  Variable apply(std::span<const Operand> operands, const Scalars& parameters) const {
    return formula_.parameters == 0 ? record(*this, operands) : record(*this, operands, parameters);
  }
  /// The parameters of a recorded call.
  Scalars scalars(const Attributes& attributes) const {
    return formula_.parameters == 0 ? Scalars{} : attributes.as<Scalars>();
  }
  /// Do whole inputs give whole results?
  bool stays_whole(const Scalars& parameters) const;
  void add_derivative(std::nullptr_t) { contributions_.emplace_back(); }
  template <class F>
  void add_derivative(const F& derivative) {
    add_contribution(trace_derivative(derivative));
  }
  /// Traces (inputs..., parameters..., y, dy) and moves y and dy in front of the parameters.
  template <class F>
  Formula trace_derivative(const F& derivative) const {
    static_assert(detail::arity<F>() > 2, "a derivative takes (inputs..., parameters..., y, dy)");
    return tensors_first(trace(derivative, detail::arity<F>()));
  }
  Formula tensors_first(Formula formula) const;
  void add_contribution(const Formula& formula);

  Formula formula_;
  std::vector<Contribution> contributions_;
};

/// What `formula` computes, recorded as primitive ops on the tape of the inputs.
Variable replay(const Formula& formula, std::span<const Variable> inputs,
                const Scalars& parameters);

}  // namespace unroll
