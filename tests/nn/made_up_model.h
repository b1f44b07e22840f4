// A made-up model to search over, and comparing what was found.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include <unroll/autograd/random.h>
#include <unroll/nn/decoding.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

inline constexpr std::int32_t kEnd = 3, kVocabulary = 6;

/// Probabilities that depend on the whole hypothesis and the sentence, at random.
struct MadeUpModel {
  std::map<std::vector<std::int32_t>, std::vector<double>> known;
  std::vector<std::vector<std::int32_t>> rows;  ///< sentence, then tokens
  std::size_t most_rows = 0;

  const std::vector<double>& next(const std::vector<std::int32_t>& path) {
    auto& scores = known[path];
    if (!scores.empty()) return scores;
    std::uint64_t key = 99;
    for (const std::int32_t token : path) key = mix(key, static_cast<std::uint64_t>(token));
    Random random(key);
    double total = 0;
    for (int i = 0; i < kVocabulary; ++i)
      total += std::exp(scores.emplace_back(2 * random.normal()));
    for (double& score : scores) score -= std::log(total);
    return scores;
  }

  nn::StepScores operator()(std::span<const std::int32_t> ids,
                            std::span<const std::int32_t> parents) {
    std::vector<std::vector<std::int32_t>> grown;
    const auto n = static_cast<std::int64_t>(ids.size());
    most_rows = std::max(most_rows, ids.size());
    Tensor scores(Shape{n, kVocabulary}, Dtype::float64), attention(Shape{n, 2});
    for (std::size_t k = 0; k < ids.size(); ++k) {
      if (rows.empty()) {
        grown.push_back({parents[k]});
      } else {
        grown.push_back(rows.at(static_cast<std::size_t>(parents[k])));
        grown.back().push_back(ids[k]);
      }
      const auto& row = next(grown.back());
      std::ranges::copy(row, scores.mutable_data<double>().begin() +
                                 static_cast<std::ptrdiff_t>(k * kVocabulary));
      attention.mutable_data<float>()[2 * k] = static_cast<float>(ids[k]);
      attention.mutable_data<float>()[2 * k + 1] = static_cast<float>(grown.back().size());
    }
    rows = std::move(grown);
    return {scores, attention};
  }
};

/// The model for one sentence of a batch, as if it were alone.
struct OneOf {
  std::int32_t sentence;
  MadeUpModel model = {};

  nn::StepScores operator()(std::span<const std::int32_t> ids,
                            std::span<const std::int32_t> parents) {
    const std::vector<std::int32_t> own(ids.size(), sentence);
    return model(ids, model.rows.empty() ? std::span<const std::int32_t>(own) : parents);
  }
};

inline void check_same(const nn::Hypothesis& a, const nn::Hypothesis& b) {
  CHECK(a.tokens == b.tokens);
  CHECK(a.ended == b.ended);
  CHECK(a.score == b.score);
  CHECK(a.log_probability == b.log_probability);
  CHECK(a.log_probabilities == b.log_probabilities);
  CHECK(a.attention.identical(b.attention));
}

}  // namespace unroll::testing
