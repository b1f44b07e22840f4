// How many n-grams two sequences have in common: what BLEU and chrF count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace unroll::text {

struct NgramOverlap {
  std::int64_t hypothesis = 0;  // n-grams there
  std::int64_t reference = 0;
  std::int64_t matches = 0;  // sum over n-grams of the smaller of the two counts
};

/// Counts the n-grams (n >= 1) of two random-access sequences of comparable elements, in
/// O(n m log m) for m elements.
template <typename Sequence>
NgramOverlap ngram_overlap(const Sequence& hypothesis, const Sequence& reference, std::size_t n) {
  using Iterator = typename Sequence::const_iterator;
  const auto length = static_cast<std::ptrdiff_t>(n);
  const auto less = [length](Iterator a, Iterator b) {
    return std::lexicographical_compare(a, a + length, b, b + length);
  };
  const auto sorted_ngrams = [&](const Sequence& sequence) {
    std::vector<Iterator> starts;
    for (auto it = sequence.begin(); sequence.end() - it >= length; ++it) starts.push_back(it);
    std::sort(starts.begin(), starts.end(), less);
    return starts;
  };
  const std::vector<Iterator> left = sorted_ngrams(hypothesis);
  const std::vector<Iterator> right = sorted_ngrams(reference);
  NgramOverlap overlap{static_cast<std::int64_t>(left.size()),
                       static_cast<std::int64_t>(right.size()), 0};
  for (auto a = left.begin(), b = right.begin(); a != left.end() && b != right.end();) {
    if (less(*a, *b)) {
      ++a;
    } else if (less(*b, *a)) {
      ++b;
    } else {
      ++overlap.matches;
      ++a;
      ++b;
    }
  }
  return overlap;
}

}  // namespace unroll::text
