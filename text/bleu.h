// BLEU (Papineni, Roukos, Ward, Zhu 2002) with the figures that sacreBLEU (Post 2018) prints by
// default: tokenizer 13a, n-grams of 1 to 4 words, exponential smoothing, case kept, one reference.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::text {

inline constexpr std::size_t kBleuOrder = 4;

struct BleuScore {
  double score = 0;                             // 0 to 100
  double brevity_penalty = 1;                   // exp(1 - reference / hypothesis) if shorter
  std::array<double, kBleuOrder> precisions{};  // of 1- to 4-grams, in percent, smoothed
  std::array<std::int64_t, kBleuOrder> matches{};
  std::array<std::int64_t, kBleuOrder> totals{};
  std::int64_t hypothesis_length = 0;  // in tokens
  std::int64_t reference_length = 0;
};

/// The score of a corpus, one reference per hypothesis, both as plain text that is not tokenized.
/// Each order without a match counts as 1/2, 1/4, 1/8 ... of a match, in turn; the score is 0 when
/// nothing matches at all or no hypothesis has four words. Invalid UTF-8 counts as U+FFFD. Throws
/// ValueError for lists that are empty or of different sizes.
BleuScore corpus_bleu(const std::vector<std::string>& hypotheses,
                      const std::vector<std::string>& references);

/// The words that BLEU compares: the tokenizer "13a" of sacreBLEU, after mteval-v13a. It resolves
/// &quot; &amp; &lt; &gt;, sets ASCII punctuation apart, and periods and commas unless between
/// digits.
std::vector<std::string> tokenize_13a(std::string_view sentence);

}  // namespace unroll::text
