// Scores of translations against references.
#pragma once

#include <string>
#include <vector>

namespace unroll::translate {

struct Scores {
  double bleu = 0;         ///< sacreBLEU's default
  double chrf = 0;         ///< sacreBLEU's chrF2
  double exact_match = 0;  ///< per cent
  std::size_t sentences = 0;
};

Scores score(const std::vector<std::string>& hypotheses,
             const std::vector<std::string>& references);

/// "BLEU 98.12   chrF 99.01   exact match 97.40 % of 500"
std::string to_string(const Scores& scores);

}  // namespace unroll::translate
