// What layers are made from: parameters by name, and the way they get onto a tape. A layer holds
// no tape; it finds one in its operands.
#pragma once

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>

namespace unroll::nn {

using unroll::Parameter;
using unroll::ParameterSet;
using unroll::Scope;

/// The leaf of `parameter` on the tape of a variable, as Tape::use.
Variable use_like(const Variable& on_tape_of, const Parameter& parameter);

/// A leaf that holds `value` on the tape of a variable, as Tape::input.
Variable input_like(const Variable& on_tape_of, Tensor value);

/// Zeros of `shape` with the dtype and on the tape of `like`.
inline Variable zeros_like(const Variable& like, const Shape& shape) {
  return constant_like(like, 0, like.dtype(), shape);
}

}  // namespace unroll::nn
