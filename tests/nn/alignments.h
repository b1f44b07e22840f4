// All alignments of a short input, one by one: what CTC is tested against.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::testing {

/// The probability of every sequence of labels, of sequence b of log_probabilities [T, B, classes].
inline std::map<std::vector<std::int32_t>, double> label_probabilities(
    const Tensor& log_probabilities, std::int64_t b, std::int64_t steps, std::int32_t blank) {
  const Shape& shape = log_probabilities.shape();
  const std::int64_t classes = shape[2];
  std::int64_t paths = 1;
  for (std::int64_t t = 0; t < steps; ++t) paths *= classes;
  std::map<std::vector<std::int32_t>, double> result;
  for (std::int64_t path = 0; path < paths; ++path) {
    std::vector<std::int32_t> labels;
    double score = 0;
    auto before = static_cast<std::int64_t>(blank);
    for (std::int64_t t = 0, rest = path; t < steps; ++t, rest /= classes) {
      const std::int64_t id = rest % classes;
      score += log_probabilities.at((t * shape[1] + b) * classes + id);
      if (id != blank && id != before) labels.push_back(static_cast<std::int32_t>(id));
      before = id;
    }
    result[labels] += std::exp(score);
  }
  return result;
}

}  // namespace unroll::testing
