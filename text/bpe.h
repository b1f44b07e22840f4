// Subwords by byte-pair encoding over code points (Sennrich, Haddow, Birch 2016, "Neural machine
// translation of rare words with subword units", section 3.2).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unroll/text/token_counts.h>

namespace unroll::text {

/// A list of merges, in the order in which they were learned. A value that never changes: copies
/// share it, and it may be used from several threads at once.
class Bpe {
 public:
  using Merge = std::pair<std::string, std::string>;

  /// Starts with each word as its code points and, `merge_count` times, joins the most frequent
  /// pair of neighbours; stops early when no pair occurs twice. Of equally frequent pairs the one
  /// whose parts are older goes first, code points in their own order: the result depends on
  /// nothing but the counts. Throws ValueError for a negative count of merges or words or for
  /// ill-formed UTF-8.
  static Bpe learn(const TokenCounts& words, int merge_count);

  /// From merges learned earlier. Throws ValueError for a merge that is given twice or has a part
  /// that is neither one code point nor the result of an earlier merge.
  explicit Bpe(std::vector<Merge> merges);

  /// The subwords of `word`: at each step the earliest learned of the merges that apply, leftmost
  /// first. A code point that no merge knows stays by itself. O(n log n) in the length of a word,
  /// and remembered for a limited number of words. Throws ValueError for ill-formed UTF-8.
  std::vector<std::string> encode(std::string_view word) const;

  const std::vector<Merge>& merges() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace unroll::text
