// Scores.
#include <unroll/examples/translate/scoring.h>

#include <fmt/format.h>

#include <unroll/text/bleu.h>
#include <unroll/text/chrf.h>
#include <unroll/text/exact_match.h>

namespace unroll::translate {

Scores score(const std::vector<std::string>& hypotheses,
             const std::vector<std::string>& references) {
  return {text::corpus_bleu(hypotheses, references).score,
          text::corpus_chrf(hypotheses, references), text::exact_match(hypotheses, references),
          hypotheses.size()};
}

std::string to_string(const Scores& scores) {
  return fmt::format("BLEU {:.2f}   chrF {:.2f}   exact match {:.2f} % of {}", scores.bleu,
                     scores.chrf, scores.exact_match, scores.sentences);
}

}  // namespace unroll::translate
