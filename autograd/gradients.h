// Gradients: reverse mode. One loop from the loss backwards records the derivative rules of the
// visited ops on the same tape, so that a gradient is a value like any other: it is optimised by
// the same passes and can be differentiated again.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/variable.h>

namespace unroll {

namespace detail {
class Reverse;
}

/// What a derivative rule sees of the node it differentiates: with y = op(x_0, x_1, ...) and
/// cotangent dL/dy it adds dL/dx_i for every wanted i.
class Derivation {
 public:
  Derivation(detail::Reverse& reverse, std::uint32_t node, std::uint32_t cotangent)
      : reverse_(reverse), node_(node), cotangent_(cotangent) {}

  std::size_t input_count() const;
  /// Does anybody ask for the gradient of input i? Skip the work if not.
  bool wanted(std::size_t i) const;
  /// Is input i itself one of the variables that gradients were asked for?
  bool asked_for(std::size_t i) const;
  Variable input(std::size_t i) const;
  Variable output() const;
  Variable cotangent() const;
  template <class T>
  T attributes() const {
    return raw_attributes().as<T>();
  }
  /// Adds to the gradient of input i; ignored if not wanted. Gradients can only be added to.
  /// Throws ShapeError unless the contribution has the type of input i.
  void add(std::size_t i, const Variable& contribution);

 private:
  Attributes raw_attributes() const;
  Variable handle(std::uint32_t node) const;

  detail::Reverse& reverse_;
  std::uint32_t node_;
  std::uint32_t cotangent_;
};

/// dL/dw for each w in `wrt`, recorded on the tape of `loss`.
/// Throws ShapeError if the loss is not a scalar, DtypeError if it is not floating, StateError if
/// it does not depend on one of `wrt` (through differentiable ops).
Variables gradients(const Operand& loss, std::span<const Variable> wrt);
inline Variables gradients(const Operand& loss, std::initializer_list<Variable> wrt) {
  return gradients(loss, std::span<const Variable>(wrt.begin(), wrt.size()));
}

/// sum_i <cotangent_i, d output_i / d w> for each w in `wrt`: reverse mode from any number of
/// outputs of any shape. An output that does not depend on w contributes nothing; if none does,
/// the result is an undefined Variable. Throws ValueError unless there is one cotangent for each
/// output, ShapeError unless it has the output's type.
Variables vector_jacobian_product(std::span<const Variable> outputs,
                                  std::span<const Variable> cotangents,
                                  std::span<const Variable> wrt, Location at = Location::current());

/// For a rule that is easiest to write through other ops: `rewrite` records them, of the node's
/// inputs, and returns an equal of its output; adds the derivatives of that.
void derive_through(Derivation& d, const std::function<Variable()>& rewrite);

/// Rows of an embedding table that got a gradient: row `ids[k]` gets `rows[k]`, repeats add up.
struct SparseRows {
  RecycledVector<std::int32_t> ids;
  Tensor rows;  ///< [ids.size(), width]
};

/// The gradient of one parameter: dense, or rows of a table.
struct Gradient {
  std::optional<Tensor> dense;
  SparseRows sparse;

  /// As a full tensor of `shape`.
  Tensor to_dense(const Shape& shape, Dtype dtype) const;
};

/// Gradients of a set of parameters, as values; independent of the tape they came from.
/// A parameter that the loss does not depend on is absent, which counts as zero.
class Gradients {
 public:
  Gradients() = default;
  explicit Gradients(const ParameterSet& parameters);

  bool contains(const Parameter& parameter) const;
  /// As a full tensor; zeros if absent. Throws ValueError for a parameter of another set.
  Tensor operator[](const Parameter& parameter) const;
  /// The parameters in the order of their set, and their gradients (null if absent).
  std::size_t size() const { return entries_.size(); }
  const Parameter& parameter(std::size_t i) const { return parameters_[i]; }
  Gradient* find(std::size_t i) { return entries_[i] ? &*entries_[i] : nullptr; }
  const Gradient* find(std::size_t i) const { return entries_[i] ? &*entries_[i] : nullptr; }

  void set(std::size_t i, Gradient gradient) { entries_[i] = std::move(gradient); }
  /// Adds the gradients of the same parameter set.
  void add(const Gradients& other);
  /// Adds gradient i of `other` to gradient i.
  void add(const Gradients& other, std::size_t i);
  /// Multiplies all by `factor`.
  void scale(double factor);
  /// The Euclidean norm of all gradients together; repeated sparse rows are added up first.
  double norm() const;
  /// False if any element is NaN or infinite.
  bool finite() const;

 private:
  RecycledVector<Parameter> parameters_;
  RecycledVector<std::optional<Gradient>> entries_;
};

/// Repeated ids added up (in order of appearance), ids ascending.
SparseRows coalesced(const SparseRows& sparse);

/// The gradients of every parameter of the set, computed now, together with the loss, in one run
/// in which dead values make room for new ones. The loss and the values in `also`, which may be any
/// on its tape, stay: asking for one of them afterwards costs nothing. Such are states to go on
/// from, or logits for a metric. Throws as above, and StateError if the loss depends on no
/// parameter at all, or if one of `also` is on another tape.
Gradients gradients(const Operand& loss, const ParameterSet& parameters,
                    std::span<const Variable> also = {});
inline Gradients gradients(const Operand& loss, const ParameterSet& parameters,
                           std::initializer_list<Variable> also) {
  return gradients(loss, parameters, std::span<const Variable>(also.begin(), also.size()));
}

}  // namespace unroll
