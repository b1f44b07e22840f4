// Handles: staleness checks and asking for values.
#include <unroll/autograd/variable.h>

#include <cstring>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

TapeState& Variable::state() const {
  if (state_ == nullptr) {
    throw StateError("the variable is empty; expected the result of an op or of Tape::input");
  }
  if (state_->closed) throw StateError("the variable's tape no longer exists");
  if (state_->generation != generation_) {
    throw StateError(
        "the variable was recorded before the last Tape::reset; carry its value() "
        "into the next pass by tape.input(...)");
  }
  return *state_;
}

Shape Variable::shape() const { return state().nodes[index_].type->shape; }
Dtype Variable::dtype() const { return state().nodes[index_].type->dtype; }
Type Variable::type() const { return *state().nodes[index_].type; }

Tensor Variable::value(Location at) const {
  TapeState& tape = *blame(at, "value", [&] { return &state(); });
  return blame_memory(at, "value", [&] { return value_on(tape); });
}

Tensor Variable::value_on(TapeState& tape) const {
  if (tape.values[index_] == nullptr) {
    evaluate(tape, std::span<const std::uint32_t>(&index_, 1), Keep::everything);
  } else {
    expect_current(tape, index_);
  }
  const Type& type = *tape.nodes[index_].type;
  Tensor result = Tensor::uninitialized(type.shape, type.dtype);
  std::memcpy(result.mutable_raw(), tape.values[index_], result.bytes());
  return result;
}

Shape Operand::shape() const {
  if (variable_ != nullptr) return blame(where_, "operand", [&] { return variable_->shape(); });
  if (parameter_ != nullptr && parameter_->defined()) return parameter_->shape();
  return {};
}

Dtype Operand::dtype(Dtype fallback) const {
  if (variable_ != nullptr) return blame(where_, "operand", [&] { return variable_->dtype(); });
  if (parameter_ != nullptr && parameter_->defined()) return parameter_->dtype();
  return fallback;
}

}  // namespace unroll
