#include <unroll/text/chrf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/text/ngram_overlap.h>
#include <unroll/text/utf8.h>

namespace unroll::text {
namespace {

constexpr std::size_t kOrder = 6;
constexpr double kBetaSquared = 4;

std::u32string visible_characters(std::string_view sentence) {
  std::u32string characters = decode_utf8(replace_invalid_utf8(sentence));
  characters.erase(std::remove_if(characters.begin(), characters.end(), is_space),
                   characters.end());
  return characters;
}

}  // namespace

double corpus_chrf(const std::vector<std::string>& hypotheses,
                   const std::vector<std::string>& references) {
  if (hypotheses.empty() || hypotheses.size() != references.size()) {
    throw ValueError("corpus_chrf: " + std::to_string(hypotheses.size()) + " hypotheses, " +
                     std::to_string(references.size()) +
                     " references; expected as many of each, at least one");
  }
  std::array<NgramOverlap, kOrder> sums{};
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const std::u32string hypothesis = visible_characters(hypotheses[i]);
    const std::u32string reference = visible_characters(references[i]);
    for (std::size_t n = 1; n <= kOrder; ++n) {
      const NgramOverlap overlap = ngram_overlap(hypothesis, reference, n);
      if (overlap.reference > 0) sums[n - 1].hypothesis += overlap.hypothesis;
      sums[n - 1].reference += overlap.reference;
      sums[n - 1].matches += overlap.matches;
    }
  }
  double precision = 0;
  double recall = 0;
  int orders = 0;
  for (const NgramOverlap& sum : sums) {
    if (sum.hypothesis == 0 || sum.reference == 0) continue;
    precision += static_cast<double>(sum.matches) / static_cast<double>(sum.hypothesis);
    recall += static_cast<double>(sum.matches) / static_cast<double>(sum.reference);
    ++orders;
  }
  if (precision + recall == 0) return 0;
  precision /= orders;
  recall /= orders;
  return 100 * (1 + kBetaSquared) * precision * recall / (kBetaSquared * precision + recall);
}

}  // namespace unroll::text
