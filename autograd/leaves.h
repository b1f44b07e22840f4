// The ops that the engine itself needs: leaves, detach, and the sum of gradient contributions.
#pragma once

#include <unroll/autograd/tape_state.h>

namespace unroll {

const Op& input_op();
const Op& parameter_op();
const Op& constant_op();    ///< attributes: the number as a double
const Op& detach_op();      ///< the same value; gradients stop here
const Op& accumulate_op();  ///< y = x_1 + ... + x_n, all of one type

/// True for the nodes whose values are data: input, parameter, constant.
bool is_leaf(const Node& node);

}  // namespace unroll
