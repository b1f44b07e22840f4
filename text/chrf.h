// chrF2 (Popovic 2015) with the figures that sacreBLEU (Post 2018) prints by default: n-grams of 1
// to 6 characters, white space left out, no words, beta = 2, case kept, one reference.
#pragma once

#include <string>
#include <vector>

namespace unroll::text {

/// The score of a corpus, 0 to 100: precision and recall of each order over the whole corpus,
/// averaged over the orders for which both sides have n-grams, then (1 + beta^2) P R / (beta^2 P +
/// R). An n-gram of a hypothesis counts only where its reference is long enough for that order.
/// Invalid UTF-8 counts as U+FFFD. Throws ValueError for lists that are empty or of different
/// sizes.
double corpus_chrf(const std::vector<std::string>& hypotheses,
                   const std::vector<std::string>& references);

}  // namespace unroll::text
