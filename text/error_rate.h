// Error rates of sequences of tokens: word error rate, phoneme error rate and the like, by what
// the tokens are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ranges>
#include <utility>
#include <vector>

namespace unroll::text {

/// How a hypothesis differs from its reference.
struct Edits {
  std::int64_t substitutions = 0;
  std::int64_t deletions = 0;   // tokens of the reference that are missing
  std::int64_t insertions = 0;  // tokens that the reference has not
  std::int64_t total() const { return substitutions + deletions + insertions; }
  bool operator==(const Edits&) const = default;
};

/// The fewest edits that turn the reference into the hypothesis (Levenshtein 1966), ranges of
/// tokens that can be compared. Of several ways it is the one with the most substitutions.
template <std::ranges::random_access_range Hypothesis, std::ranges::random_access_range Reference>
Edits edits_between(const Hypothesis& hypothesis, const Reference& reference) {
  const auto better = [](const Edits& a, const Edits& b) {
    return std::pair(a.total(), -a.substitutions) < std::pair(b.total(), -b.substitutions);
  };
  // Row i: the edits from the first i tokens of the reference to the first j of the hypothesis.
  std::vector<Edits> row(std::ranges::size(hypothesis) + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j].insertions = static_cast<std::int64_t>(j);
  for (const auto& expected : reference) {
    Edits diagonal = row[0];
    ++row[0].deletions;
    std::size_t j = 0;
    for (const auto& token : hypothesis) {
      Edits best = diagonal, deleted = row[j + 1], inserted = row[j];
      best.substitutions += expected == token ? 0 : 1;
      ++deleted.deletions;
      ++inserted.insertions;
      if (better(deleted, best)) best = deleted;
      if (better(inserted, best)) best = inserted;
      diagonal = std::exchange(row[++j], best);
    }
  }
  return row.back();
}

/// Errors over a corpus. The rates are plain quotients: NaN if there is nothing to divide by, and
/// above 1 where insertions abound.
class ErrorRate {
 public:
  template <std::ranges::random_access_range Hypothesis, std::ranges::random_access_range Reference>
  void add(const Hypothesis& hypothesis, const Reference& reference) {
    const Edits edits = edits_between(hypothesis, reference);
    edits_.substitutions += edits.substitutions;
    edits_.deletions += edits.deletions;
    edits_.insertions += edits.insertions;
    tokens_ += static_cast<std::int64_t>(std::ranges::size(reference));
    wrong_ += edits.total() > 0 ? 1 : 0;
    ++sequences_;
  }

  /// Edits per token of the references.
  double value() const {
    return static_cast<double>(edits_.total()) / static_cast<double>(tokens_);
  }
  /// The share of sequences that are not right to the last token.
  double sequence_error_rate() const {
    return static_cast<double>(wrong_) / static_cast<double>(sequences_);
  }
  const Edits& edits() const { return edits_; }
  std::int64_t reference_tokens() const { return tokens_; }
  std::int64_t sequences() const { return sequences_; }

 private:
  Edits edits_;
  std::int64_t tokens_ = 0, wrong_ = 0, sequences_ = 0;
};

}  // namespace unroll::text
