// What layers are made from: parameters by name, and the way they get onto a tape. A layer holds
// no tape; it finds one in its operands.
#pragma once

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>

namespace unroll::nn {

using unroll::LayerScope;
using unroll::Parameter;
using unroll::ParameterSet;
using unroll::Scope;

using unroll::input_like;
using unroll::use_like;

/// Zeros of `shape` with the dtype and on the tape of `like`.
inline Variable zeros_like(const Variable& like, const Shape& shape) {
  return constant_like(like, 0, like.dtype(), shape);
}

}  // namespace unroll::nn
