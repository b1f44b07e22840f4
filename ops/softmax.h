// The softmax family and layer normalisation, over the last axis or a given one.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

/// exp(x_i) / sum_j exp(x_j) along `axis`, without overflow. As in PyTorch, -inf counts as absent,
/// and where all are -inf, or one is +inf or NaN, the result is NaN.
Variable softmax(const Operand& x, int axis = -1);
/// The logarithm of softmax, without underflow.
Variable log_softmax(const Operand& x, int axis = -1);
/// Softmax over the last axis among the elements where `mask` (bool, broadcast to x's shape) is
/// true; the others are exactly 0 and get exactly 0 gradient, whatever they hold. A row with no
/// true element is all 0 with zero gradient. Throws ShapeError or DtypeError for another mask.
Variable masked_softmax(const Operand& x, const Operand& mask);
/// (x - mean) / sqrt(var + epsilon) * gain + bias over the last axis (Ba, Kiros, Hinton 2016);
/// gain and bias have its extent (ShapeError else). The variance is the biased one. Throws
/// ValueError unless epsilon >= 0.
Variable layer_norm(const Operand& x, const Operand& gain, const Operand& bias,
                    double epsilon = 1e-5);

}  // namespace unroll
