// Loss functions. `reduction` says what becomes of the element losses.
#pragma once

#include <cstdint>
#include <optional>

#include <unroll/autograd/tape.h>

namespace unroll {

/// mean: over what counts (PyTorch's default); sum; none: one loss per element or row.
enum class Reduction : std::uint8_t { mean, sum, none };

struct CrossEntropyOptions {
  std::int32_t ignore_index = -100;  ///< rows with this target count nothing: no loss, no gradient
  double label_smoothing = 0;        ///< weight of the uniform distribution in the target, [0, 1)
  Reduction reduction = Reduction::mean;
  /// [classes], floating, finite and >= 0: what the loss of each class counts, 1 if absent. The
  /// mean is then over the weights of the targets, as in PyTorch, but 0 if their sum is. A
  /// constant: it gets no gradient.
  std::optional<Tensor> weight = std::nullopt;
};
/// -log softmax(logits)[target] of each row: logits [..., classes], targets int32 [...]. The mean
/// is over the rows that count, 0 if there are none. Without weights forward and backward each go
/// through the logits once. Throws ShapeError, DtypeError or ValueError (label_smoothing, weight)
/// when recorded, and ValueError for a target outside [0, classes) when computed.
Variable cross_entropy(const Operand& logits, const Operand& targets,
                       const CrossEntropyOptions& options = {});

// The pointwise losses: x and target have one shape, or one of them is a single number (ShapeError
// else, as broadcasting would hide a mistake). The target gets a gradient too if it is floating.
// The mean over no elements is NaN.

/// (x - target)^2
Variable mse_loss(const Operand& x, const Operand& target, Reduction reduction = Reduction::mean);
/// |x - target|
Variable l1_loss(const Operand& x, const Operand& target, Reduction reduction = Reduction::mean);
/// e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2), with e = x - target (Huber 1964).
/// Throws ValueError unless delta > 0.
Variable huber_loss(const Operand& x, const Operand& target, double delta = 1,
                    Reduction reduction = Reduction::mean);
/// -t log s(x) - (1 - t) log(1 - s(x)) of logits x and probabilities or bools t, without overflow.
Variable binary_cross_entropy(const Operand& logits, const Operand& targets,
                              Reduction reduction = Reduction::mean);
/// sum_i p_i (log p_i - log q_i) over the last axis, of log-probabilities log q and probabilities
/// p, where p = 0 contributes 0 and gets no gradient; the mean is over rows.
Variable kl_divergence(const Operand& log_q, const Operand& p,
                       Reduction reduction = Reduction::mean);

}  // namespace unroll
