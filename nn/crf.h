// Linear-chain conditional random field (Lafferty, McCallum, Pereira 2001): tags of a sequence,
// scored together with their neighbours.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/nn/init.h>
#include <unroll/nn/lengths.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/losses.h>

namespace unroll::nn {

struct CrfOptions {
  Scope::Initializer initializer = init::uniform(-0.1, 0.1);
  /// log_partition by products of matrices instead of a logsumexp per tag: many times faster with
  /// many tags. But a tag for which all ways lie below the best one by more than the exponent
  /// holds, 87 in float32 and 708 in float64, counts as impossible there. That takes emissions or
  /// transitions that differ by so much from tag to tag.
  bool products = false;
};

struct CrfLossOptions {
  Lengths lengths = {};
  Reduction reduction = Reduction::mean;  ///< the mean is over the sequences
};

struct TagPath {
  std::vector<std::int32_t> tags;  ///< one per real step
  double score = 0;
};

/// A sequence of tags y has the score
///   start[y_0] + sum_t emissions[t, y_t] + sum_t transitions[y_t, y_t+1] + end[y_last]
/// and the probability exp(score) / sum of exp(score) over all sequences of tags. The one that has
/// no step has score 0 and probability 1. Emissions are floating [T, B, tags] everywhere; what they
/// and tags hold in padded steps has no influence. All functions throw ShapeError, DtypeError or
/// ValueError for what does not fit.
struct Crf {
  Parameter start, end;   ///< [tags]
  Parameter transitions;  ///< [tags, tags]: from, to

  bool products;

  /// The parameters are "start", "end", "transitions". Throws ValueError for fewer than one tag.
  Crf(const LayerScope& scope, std::int64_t tags, const CrfOptions& options = {});

  /// log of the sum of exp(score) over all sequences of tags, [B].
  Variable log_partition(const Variable& emissions, const Lengths& lengths = {},
                         Location at = Location::current()) const;
  /// The score of tags int32 [T, B], [B].
  Variable score(const Variable& emissions, const Tensor& tags, const Lengths& lengths = {},
                 Location at = Location::current()) const;
  /// -log probability of tags int32 [T, B]. Tags that are not possible, their score being -inf,
  /// have an infinite loss and no gradient, also where no tags are possible at all.
  Variable loss(const Variable& emissions, const Tensor& tags, const CrfLossOptions& options = {},
                Location at = Location::current()) const;
  /// The probability of each tag at each step, [T, B, tags], 0 in padded steps: the gradient of
  /// log_partition. Throws StateError under Tape::NoGradient.
  Variable marginals(const Variable& emissions, const Lengths& lengths = {},
                     Location at = Location::current()) const;
  /// The best sequence of tags for each sequence and its score (Viterbi 1967), of equal ones the
  /// one whose last tags are the lower ones. Throws NumericError for a score that is NaN.
  std::vector<TagPath> decode(const Tensor& emissions, const Lengths& lengths = {},
                              Location at = Location::current()) const;
};

}  // namespace unroll::nn
