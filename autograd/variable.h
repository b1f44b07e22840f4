// Variable: a value with a place on a tape; Operand: what an op accepts, with the caller's line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <unroll/autograd/location.h>
#include <unroll/autograd/op.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/recycled.h>
#include <unroll/autograd/tensor.h>

namespace unroll {

class Tape;
struct TapeState;

/// A node of a tape, as a small value that is free to copy. It stays safe after its tape was reset
/// or destroyed: using it then throws StateError.
class Variable {
 public:
  /// A handle to nothing; any use throws StateError.
  Variable() = default;
  Variable(const std::shared_ptr<TapeState>& state, std::uint32_t index, std::uint32_t generation)
      : state_(state), index_(index), generation_(generation) {}

  bool defined() const { return state_ != nullptr; }
  /// Shape, dtype or both of the value, known as soon as it is recorded. By value: recording may
  /// move the nodes.
  Shape shape() const;
  Dtype dtype() const;
  Type type() const;

  /// Computes the value if needed and returns it. Everything computed on the way stays on the tape
  /// until it is reset. Throws StateError when stale, NumericError never: NaN is a value.
  Tensor value(Location at = Location::current()) const;
  /// The only element as a double; ShapeError if there is more than one.
  double item(Location at = Location::current()) const { return value(at).item(); }

  /// The position on the tape.
  std::uint32_t index() const { return index_; }
  /// The tape's state; throws StateError if this handle is stale. For the engine and its passes.
  TapeState& state() const;
  const std::shared_ptr<TapeState>& shared_state() const { return state_; }
  /// The same node under the same tape.
  bool same_node(const Variable& other) const {
    return state_ == other.state_ && index_ == other.index_ && generation_ == other.generation_;
  }

 private:
  Tensor value_on(TapeState& tape) const;

  std::shared_ptr<TapeState> state_;
  std::uint32_t index_ = 0;
  std::uint32_t generation_ = 0;
};

/// A list of variables that belong together, such as the parts of an array.
using Variables = RecycledVector<Variable>;

/// An argument of an op: a Variable, a Parameter (put on the tape at its first use there) or a
/// number (a constant of the other operand's dtype). Converting captures the caller's line; it
/// refers to its argument, so use it as a parameter type only.
class Operand {
 public:
  Operand(const Variable& variable, Location at = Location::current())  // NOLINT(google-explicit-*)
      : variable_(&variable), where_(at) {}
  Operand(const Parameter& parameter, Location at = Location::current())  // NOLINT
      : parameter_(&parameter), where_(at) {}
  Operand(double number, Location at = Location::current())  // NOLINT
      : number_(number), where_(at) {}

  const Variable* variable() const { return variable_; }
  const Parameter* parameter() const { return parameter_; }
  double number() const { return number_; }
  const Location& where() const { return where_; }

  /// `variable` in the name of this operand: with its line.
  Operand with(const Variable& variable) const {
    Operand result = *this;
    result.variable_ = &variable;
    result.parameter_ = nullptr;
    return result;
  }

  /// Element type: of the variable or parameter. A number has none: `fallback`.
  Dtype dtype(Dtype fallback) const;
  /// Shape of the variable or parameter; [] for a number.
  Shape shape() const;

 private:
  const Variable* variable_ = nullptr;
  const Parameter* parameter_ = nullptr;
  double number_ = 0;
  Location where_;
};

}  // namespace unroll
