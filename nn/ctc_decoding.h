// Reading labels off the log-probabilities of a model that was trained with ctc_loss: the best
// alignment, or the best labels by beam search over their beginnings.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/autograd/tensor.h>
#include <unroll/nn/lengths.h>

namespace unroll::nn {

struct CtcDecodingOptions {
  Lengths lengths = {};    ///< real steps per sequence; what padded ones hold is not read
  std::int32_t blank = 0;  ///< the class that stands for no label
  // For ctc_beam_search:
  int beam_size = 10;  ///< beginnings that are followed at a time
  int n_best = 1;      ///< how many are returned, at most beam_size
};

struct CtcHypothesis {
  std::vector<std::int32_t> labels;
  double log_probability = 0;
};

/// The most probable class at every step, the first of equal ones, without repeats and then
/// without blanks; one hypothesis per sequence, with the log-probability of that alignment.
/// log_probabilities float32 or float64 [T, B, classes]. Throws ShapeError or DtypeError,
/// ValueError for options out of range, and NumericError for a log-probability that is NaN.
std::vector<CtcHypothesis> ctc_greedy(const Tensor& log_probabilities,
                                      const CtcDecodingOptions& options = {});

/// Follows the beam_size most probable beginnings of the labels of each sequence, adding up their
/// alignments (prefix search without a language model: Hannun, Maas, Jurafsky, Ng 2014). Returns
/// up to n_best possible ones per sequence, the best first, with the log-probability of all
/// alignments that were followed: with a beam wide enough it is -ctc_loss. Throws as ctc_greedy.
std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor& log_probabilities,
                                                        const CtcDecodingOptions& options = {});

}  // namespace unroll::nn
