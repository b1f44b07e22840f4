#include <unroll/text/exact_match.h>

#include <cstddef>

#include <unroll/autograd/error.h>

namespace unroll::text {

double exact_match(const std::vector<std::string>& hypotheses,
                   const std::vector<std::string>& references) {
  if (hypotheses.empty() || hypotheses.size() != references.size()) {
    throw ValueError("exact_match: " + std::to_string(hypotheses.size()) + " hypotheses, " +
                     std::to_string(references.size()) +
                     " references; expected as many of each, at least one");
  }
  std::size_t equal = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) equal += hypotheses[i] == references[i];
  return 100.0 * static_cast<double>(equal) / static_cast<double>(hypotheses.size());
}

}  // namespace unroll::text
