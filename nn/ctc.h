// Connectionist temporal classification (Graves, Fernandez, Gomez, Schmidhuber 2006): the loss of
// a sequence of labels that is shorter than its input and not aligned with it.
#pragma once

#include <cstdint>

#include <unroll/nn/lengths.h>
#include <unroll/ops/losses.h>

namespace unroll::nn {

struct CtcOptions {
  Lengths input_lengths = {};   ///< real steps per sequence; what padded ones hold has no influence
  Lengths target_lengths = {};  ///< labels per sequence; padded ones may hold anything
  std::int32_t blank = 0;       ///< the class that stands for no label
  /// Makes an infinite loss, of a target that does not fit into its input, 0.
  bool zero_infinity = false;
  /// As in PyTorch, the mean is over the sequences, of loss / max(labels, 1).
  Reduction reduction = Reduction::mean;
};

/// -log of the probability of all alignments of each target with its input. log_probabilities
/// [T, B, classes], floating, as log_softmax gives them; targets int32 [B, L]. An alignment names
/// a class per step; without repeats, and then without blanks, it is the target. A target that has
/// no alignment with a probability has an infinite loss and no gradient; so has one with labels and
/// no step, while no label in no step has loss 0.
/// The gradient is the derivative by the log-probabilities; PyTorch's is that by the logits under
/// them, so that the two agree only behind log_softmax.
/// Throws ShapeError, DtypeError, or ValueError for lengths out of range, and for a blank or label
/// outside [0, classes) or a label that is the blank.
Variable ctc_loss(const Variable& log_probabilities, const Tensor& targets,
                  const CtcOptions& options = {}, Location at = Location::current());

}  // namespace unroll::nn
