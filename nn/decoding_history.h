// What every search keeps: which tokens were fed to which rows and where the rows came from. A
// hypothesis is read off backwards when it is over. Internal to nn/.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/nn/decoding.h>

namespace unroll::nn {

/// A continuation: `token` after the hypothesis in `row`.
struct Candidate {
  double log_probability = 0;  ///< of the whole hypothesis
  double of_token = 0;         ///< log-probability
  std::int32_t row = 0, token = 0;
};

/// Throws ValueError for options out of range.
void check_decoding(const DecodingOptions& options, std::int64_t sentences);

/// The most tokens for a sentence.
inline std::int64_t limit_of(const DecodingOptions& options, std::size_t sentence) {
  return options.max_lengths.empty() ? options.max_length : options.max_lengths[sentence];
}

class DecodingHistory {
 public:
  /// Refers to its arguments. Before the first step there is one row per element of `sentences`.
  DecodingHistory(const StepFunction& step, const DecodingOptions& options,
                  std::vector<std::int32_t> sentences);

  /// How many hypotheses the step to come, or the one just made, has.
  std::size_t rows() const { return ids_.size(); }
  /// Feeds the rows to the model and remembers them. Rows are then added for the next step.
  void advance();
  /// Steps made so far: tokens of a hypothesis that goes on from here.
  std::int64_t length() const { return static_cast<std::int64_t>(steps_.size()); }
  /// A row of the step to come; returns its number.
  std::int32_t add(const Candidate& candidate);

  /// Calls f(token, log-probability) for every token that may follow row `row` of the last step.
  template <class F>
  void for_each_next(std::int32_t row, F f) {
    const auto width = static_cast<std::size_t>(scores_.shape()[1]);
    const auto scores =
        scores_.data<double>().subspan(static_cast<std::size_t>(row) * width, width);
    block(row);
    for (std::size_t token = 0; token < width; ++token) {
      if (std::isnan(scores[token])) {
        throw NumericError("decoding: the log-probability of token " + std::to_string(token) +
                           " is NaN");
      }
      if (blocked_[token] == 0) f(static_cast<std::int32_t>(token), scores[token]);
    }
    unblock();
  }

  /// The hypothesis that `last` completes.
  Hypothesis read(const Candidate& last) const;

 private:
  struct Step {
    std::vector<std::int32_t> ids, parents;
    std::vector<double> of_token;  ///< log-probabilities of the ids
    Tensor attention;
  };
  /// Marks what must not follow `row`; `unblock` takes back what depends on the row.
  void block(std::int32_t row);
  void block(std::int32_t token, bool only_now);
  void unblock();
  std::vector<std::int32_t> tokens_of(std::int32_t row) const;

  const StepFunction& step_;
  const DecodingOptions& options_;
  std::vector<std::int32_t> ids_, parents_;  ///< what the next step is fed
  std::vector<double> of_token_;
  Tensor scores_;
  std::int64_t attention_width_ = 0;
  std::vector<Step> steps_;
  std::vector<char> blocked_;  ///< per token
  std::vector<std::int32_t> blocked_now_;
};

}  // namespace unroll::nn
