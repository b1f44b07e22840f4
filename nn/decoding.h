// Search for an output, over any model that can make a step for a batch of hypotheses: greedy
// choice, beam search and sampling. For a model with a state of Variables see decoder.h.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::nn {

/// What a model says after one step of n hypotheses.
struct StepScores {
  Tensor log_probabilities;  ///< float32 or float64 [n, V], of each next token
  Tensor attention;          ///< floating [n, S], kept beside the chosen token; or of size 0
};

/// Makes one step for n hypotheses: ids[k] is the last token of the k-th one, and parents[k] the
/// row that it was in the step before. In the first step ids are the begin token, and parents the
/// numbers of the sentences. Rows of hypotheses that are over do not come back. A function around
/// another one sees everything that a search follows.
using StepFunction = std::function<StepScores(std::span<const std::int32_t> ids,
                                              std::span<const std::int32_t> parents)>;

struct DecodingOptions {
  std::int32_t begin = 2;         ///< the first token a model is fed
  std::int32_t end = 3;           ///< the token that ends a hypothesis
  std::int64_t max_length = 100;  ///< tokens, after which a hypothesis is cut off
  /// If not empty: one per sentence, instead of max_length.
  std::vector<std::int64_t> max_lengths = {};
  std::int64_t min_length = 0;               ///< tokens that come before the end at least
  int no_repeat_ngram = 0;                   ///< so many tokens never come a second time; 0: may
  std::vector<std::int32_t> forbidden = {};  ///< tokens that are never chosen
  // For beam_search:
  int beam_size = 5;          ///< hypotheses that are followed at a time, per sentence
  double length_penalty = 1;  ///< the exponent of length_normalizer; 0: none
  // For beam_search and sample:
  int n_best = 1;  ///< how many hypotheses are returned, of a beam at most beam_size
  // For sample, in this order:
  double temperature = 1;  ///< of the softmax; towards 0 the most probable token
  int top_k = 0;           ///< only so many most probable tokens; 0: all
  double top_p = 1;        ///< only the fewest most probable tokens that sum up to this
  std::uint64_t seed = 0;
  /// If not empty: one per sentence, so that what is drawn depends on nothing else in the batch.
  std::vector<std::uint64_t> seeds = {};
};

struct Hypothesis {
  std::vector<std::int32_t> tokens;  ///< without begin and end
  double log_probability = 0;        ///< of the tokens, and of the end if ended
  double score = 0;                  ///< log_probability / length_normalizer
  bool ended = false;                ///< false: cut off at the maximal length
  Tensor attention;  ///< float32 [n, S]: per token, and for the end if ended; or of size 0
  std::vector<double> log_probabilities;  ///< of each token, and of the end if ended
};

/// ((5 + n) / 6)^exponent for n tokens, the end included (Wu et al. 2016, without coverage).
double length_normalizer(std::int64_t n, double exponent);

/// The most probable token at every step, the first of equal ones; one hypothesis per sentence.
/// Where nothing is possible the end is chosen, with log-probability -infinity. Throws ValueError
/// for options out of range, a step result of another number of rows, or another vocabulary than in
/// the step before, NumericError for a log-probability that is NaN.
std::vector<Hypothesis> greedy(const StepFunction& step, std::int64_t sentences,
                               const DecodingOptions& options = {});

/// Follows the beam_size most probable beginnings of each sentence, all sentences in one batch.
/// Impossible ones are not followed; if that leaves nothing, the best beginning ends as in greedy.
/// Among the 2 * beam_size best continuations those that end count as found if they are within the
/// first beam_size, and the best others go on. A sentence is over at its maximal length, or when
/// beam_size are found and the best one that goes on would, if it ended here, score no better than
/// the worst of them. Returns the n_best by score, the best first; hypotheses that were cut off
/// only come in where fewer have ended. Throws as greedy.
std::vector<std::vector<Hypothesis>> beam_search(const StepFunction& step, std::int64_t sentences,
                                                 const DecodingOptions& options = {});

/// Draws n_best hypotheses per sentence, token by token, from softmax(log-probabilities /
/// temperature) over the tokens that top_k and then top_p (Holtzman et al. 2020) leave. What comes
/// out is a function of the model and the seeds, whatever else is in the batch. Throws as greedy.
std::vector<std::vector<Hypothesis>> sample(const StepFunction& step, std::int64_t sentences,
                                            const DecodingOptions& options = {});

}  // namespace unroll::nn
