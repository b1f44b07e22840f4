// The share of hypotheses that are right to the last byte.
#pragma once

#include <string>
#include <vector>

namespace unroll::text {

/// 0 to 100: how many in a hundred hypotheses equal their references. Throws ValueError for lists
/// that are empty or of different sizes.
double exact_match(const std::vector<std::string>& hypotheses,
                   const std::vector<std::string>& references);

}  // namespace unroll::text
