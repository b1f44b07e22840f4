// Search over a made-up model, compared with trying out everything.
#include <unroll/nn/decoding.h>

#include <cmath>
#include <limits>
#include <map>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using nn::DecodingOptions;
using nn::Hypothesis;

namespace {

constexpr std::int32_t kEnd = 3, kVocabulary = 6;

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

/// The best ended hypothesis of at most `max_length` tokens, the end included, by trying all.
Hypothesis best_of_all(MadeUpModel& model, std::vector<std::int32_t> path, double log_probability,
                       const DecodingOptions& options) {
  Hypothesis best;
  best.score = -std::numeric_limits<double>::infinity();
  const std::vector<double> scores = model.next(path);
  for (std::int32_t token = 0; token < kVocabulary; ++token) {
    const double total = log_probability + scores[static_cast<std::size_t>(token)];
    Hypothesis found;
    if (token == kEnd) {
      found.tokens.assign(path.begin() + 1, path.end());
      found.score = total / nn::length_normalizer(static_cast<std::int64_t>(path.size()),
                                                  options.length_penalty);
    } else if (static_cast<std::int64_t>(path.size()) < options.max_length) {
      std::vector<std::int32_t> longer = path;
      longer.push_back(token);
      found = best_of_all(model, longer, total, options);
    } else {
      continue;
    }
    if (found.score > best.score) best = found;
  }
  return best;
}

}  // namespace

TEST_CASE("A beam as wide as the tree finds the best hypothesis", "[nn]") {
  for (const double penalty : {0.0, 1.0}) {
    const DecodingOptions options{.max_length = 4, .beam_size = 1500, .length_penalty = penalty};
    MadeUpModel model;
    const auto found = nn::beam_search(std::ref(model), 3, options);
    REQUIRE(found.size() == 3);
    for (std::int32_t sentence = 0; sentence < 3; ++sentence) {
      const Hypothesis best = best_of_all(model, {sentence}, 0, options);
      const Hypothesis& h = found[static_cast<std::size_t>(sentence)].at(0);
      CHECK(h.ended);
      CHECK(h.tokens == best.tokens);
      CHECK(h.score == Approx(best.score));
    }
  }
}

TEST_CASE("A beam of one is greedy", "[nn]") {
  for (const std::int64_t max_length : {0, 1, 3, 30}) {
    MadeUpModel a, b;
    const auto one = nn::beam_search(std::ref(a), 20, {.max_length = max_length, .beam_size = 1});
    const auto greedy = nn::greedy(std::ref(b), 20, {.max_length = max_length});
    REQUIRE(one.size() == 20);
    REQUIRE(greedy.size() == 20);
    for (std::size_t s = 0; s < 20; ++s) {
      REQUIRE(one[s].size() == 1);
      CHECK(one[s][0].tokens == greedy[s].tokens);
      CHECK(one[s][0].ended == greedy[s].ended);
      CHECK(one[s][0].score == greedy[s].score);
      CHECK(one[s][0].log_probability == greedy[s].log_probability);
      CHECK(one[s][0].attention.identical(greedy[s].attention));
    }
  }
}

TEST_CASE("A batch is decoded as its sentences are one by one", "[nn]") {
  const DecodingOptions options{.max_length = 12, .beam_size = 3, .n_best = 3};
  MadeUpModel together;
  const auto batch = nn::beam_search(std::ref(together), 5, options);
  CHECK(together.most_rows <= 15);
  for (std::int32_t sentence = 0; sentence < 5; ++sentence) {
    MadeUpModel model;
    const auto alone = nn::beam_search(
        [&](std::span<const std::int32_t> ids, std::span<const std::int32_t> parents) {
          const std::vector<std::int32_t> own{sentence};
          return model(ids, model.rows.empty() ? std::span<const std::int32_t>(own) : parents);
        },
        1, options);
    const auto& expected = batch[static_cast<std::size_t>(sentence)];
    REQUIRE(alone[0].size() == expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) {
      CHECK(alone[0][k].tokens == expected[k].tokens);
      CHECK(alone[0][k].score == expected[k].score);
      CHECK(alone[0][k].attention.identical(expected[k].attention));
    }
  }
}

TEST_CASE("Hypotheses come with their probability, score and attention, the best first", "[nn]") {
  MadeUpModel model;
  const DecodingOptions options{
      .max_length = 12, .beam_size = 4, .length_penalty = 0.7, .n_best = 4};
  const auto found = nn::beam_search(std::ref(model), 2, options);
  for (std::int32_t sentence = 0; sentence < 2; ++sentence) {
    const auto& list = found[static_cast<std::size_t>(sentence)];
    REQUIRE(list.size() == 4);
    for (std::size_t k = 0; k < list.size(); ++k) {
      const Hypothesis& h = list[k];
      REQUIRE(h.ended);
      double log_probability = 0;
      std::vector<std::int32_t> path{sentence};
      for (const std::int32_t token : h.tokens) {
        log_probability += model.next(path)[static_cast<std::size_t>(token)];
        path.push_back(token);
      }
      log_probability += model.next(path)[kEnd];
      CHECK(h.log_probability == Approx(log_probability));
      CHECK(h.score == Approx(log_probability / std::pow((5.0 + h.tokens.size() + 1) / 6, 0.7)));
      if (k > 0) CHECK(h.score <= list[k - 1].score);
      const auto steps = static_cast<std::int64_t>(h.tokens.size()) + 1;
      REQUIRE(h.attention.shape() == Shape{steps, 2});
      for (std::int64_t t = 0; t < steps; ++t) {  // the made-up model writes down what it was fed
        const auto fed = t == 0 ? options.begin : h.tokens[static_cast<std::size_t>(t - 1)];
        CHECK(h.attention.at(2 * t) == fed);
        CHECK(h.attention.at(2 * t + 1) == static_cast<double>(t + 1));
      }
    }
  }
}

TEST_CASE("A wider beam finds no worse hypotheses here", "[nn]") {
  double last = -std::numeric_limits<double>::infinity();
  for (const int width : {1, 3, 10}) {
    MadeUpModel model;
    double total = 0;
    const auto found = nn::beam_search(std::ref(model), 20,
                                       {.max_length = 20, .beam_size = width, .length_penalty = 0});
    for (const auto& list : found) total += list[0].score;
    CHECK(total >= last);
    last = total;
  }
}

TEST_CASE("Hypotheses without an end are cut off", "[nn]") {
  const auto never_ends = [](std::span<const std::int32_t> ids, std::span<const std::int32_t>) {
    Tensor scores = Tensor::full({static_cast<std::int64_t>(ids.size()), 5}, -2);
    for (std::size_t k = 0; k < ids.size(); ++k) scores.mutable_data<float>()[5 * k + kEnd] = -1e9F;
    return nn::StepScores{scores, Tensor()};
  };
  const auto greedy = nn::greedy(never_ends, 1, {.max_length = 3});
  CHECK(greedy[0].tokens == std::vector<std::int32_t>{0, 0, 0});
  CHECK_FALSE(greedy[0].ended);
  CHECK(greedy[0].log_probability == -6);
  CHECK(greedy[0].attention.size() == 0);
  const auto beam = nn::beam_search(never_ends, 1, {.max_length = 3, .beam_size = 2, .n_best = 2});
  REQUIRE(beam[0].size() == 2);
  CHECK(beam[0][0].tokens == std::vector<std::int32_t>{0, 0, 0});
  CHECK(beam[0][1].tokens.size() == 3);
  const auto other = nn::greedy(never_ends, 1, {.max_length = 2, .forbidden = {0, 2}});
  CHECK(other[0].tokens == std::vector<std::int32_t>{1, 1});
}

TEST_CASE("Decoding says what is wrong", "[nn]") {
  MadeUpModel model;
  const auto step = std::ref(model);
  CHECK_THROWS_AS(nn::greedy(step, -1), ValueError);
  CHECK_THROWS_AS(nn::beam_search(step, 1, {.beam_size = 0}), ValueError);
  CHECK_THROWS_AS(nn::beam_search(step, 1, {.beam_size = 2, .n_best = 3}), ValueError);
  CHECK(nn::greedy(step, 0).empty());
  CHECK(nn::beam_search(step, 0).empty());
  const auto wrong_rows = [](auto, auto) { return nn::StepScores{Tensor(Shape{7, 5}), Tensor()}; };
  CHECK_THROWS_AS(nn::greedy(wrong_rows, 1), ValueError);
  const auto nan = [](auto, auto) {
    return nn::StepScores{Tensor::full({1, 5}, std::nan("")), Tensor()};
  };
  CHECK_THROWS_AS(nn::greedy(nan, 1), NumericError);
  CHECK_THROWS_AS(nn::beam_search(nan, 1), NumericError);
}
