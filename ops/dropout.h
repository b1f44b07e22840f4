// Dropout with a counter-based generator: the mask is a function of the tape's seed and the number
// of the draw, the same whatever thread computes it and however often.
#pragma once

#include <unroll/autograd/tape.h>

namespace unroll {

/// x with each element zeroed with probability `rate` and the rest divided by 1 - rate
/// (Srivastava et al. 2014); x itself if the tape is not in training mode or the rate is 0.
/// Throws ValueError unless 0 <= rate < 1.
Variable dropout(const Operand& x, double rate);
/// A mask of 0 and 1 / (1 - rate) with the type of `like`, constant to gradients, to multiply by:
/// for masks that are shared between steps. All ones if the tape is not in training mode.
/// Throws ValueError unless 0 <= rate < 1.
Variable dropout_mask(const Operand& like, double rate);
/// Whether the tape is in training mode, in which dropout and its kin are active.
bool in_training(const Variable& on_tape_of);

}  // namespace unroll
