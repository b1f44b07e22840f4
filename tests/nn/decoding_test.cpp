// Search over a made-up model, compared with trying out everything.
#include <unroll/nn/decoding.h>

#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/tests/nn/made_up_model.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;
using nn::DecodingOptions;
using nn::Hypothesis;

namespace {

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
      check_same(one[s][0], greedy[s]);
    }
  }
}

TEST_CASE("A batch is decoded as its sentences are one by one", "[nn]") {
  const DecodingOptions options{.max_length = 12, .beam_size = 3, .n_best = 3};
  MadeUpModel together;
  const auto batch = nn::beam_search(std::ref(together), 5, options);
  CHECK(together.most_rows <= 15);
  for (std::int32_t sentence = 0; sentence < 5; ++sentence) {
    OneOf model{sentence};
    const auto alone = nn::beam_search(std::ref(model), 1, options);
    const auto& expected = batch[static_cast<std::size_t>(sentence)];
    REQUIRE(alone[0].size() == expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) {
      check_same(alone[0][k], expected[k]);
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
      double sum = 0;
      for (const double of_token : h.log_probabilities) sum += of_token;
      CHECK(h.log_probabilities.size() == h.tokens.size() + 1);
      CHECK(sum == Approx(log_probability));
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

namespace {

/// Does a run of n tokens come twice?
bool repeats(const std::vector<std::int32_t>& tokens, std::size_t n) {
  for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
    for (std::size_t j = i + 1; j + n <= tokens.size(); ++j) {
      if (std::equal(tokens.begin() + static_cast<std::ptrdiff_t>(i),
                     tokens.begin() + static_cast<std::ptrdiff_t>(i + n),
                     tokens.begin() + static_cast<std::ptrdiff_t>(j))) {
        return true;
      }
    }
  }
  return false;
}

/// What all three kinds find.
std::vector<Hypothesis> all_found(const DecodingOptions& options, std::int64_t sentences) {
  MadeUpModel a, b, c;
  std::vector<Hypothesis> all = nn::greedy(std::ref(a), sentences, options);
  for (const auto& lists : {nn::beam_search(std::ref(b), sentences, options),
                            nn::sample(std::ref(c), sentences, options)}) {
    for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

}  // namespace

TEST_CASE("No run of tokens comes twice", "[nn]") {
  for (const int n : {1, 2, 3}) {
    // Without an end in sight, hypotheses get long.
    const DecodingOptions options{
        .max_length = 20, .min_length = 20, .no_repeat_ngram = n, .beam_size = 3, .n_best = 2};
    std::size_t found = 0, longest = 0;
    for (const Hypothesis& h : all_found(options, 10)) {
      if (h.log_probability == -std::numeric_limits<double>::infinity()) continue;
      CHECK_FALSE(repeats(h.tokens, static_cast<std::size_t>(n)));
      longest = std::max(longest, h.tokens.size());
      ++found;
    }
    if (n > 1) CHECK(found > 40);         // some have no way on
    CHECK(longest == (n == 1 ? 0 : 20));  // there are only five tokens beside the end
    DecodingOptions free = options;
    free.no_repeat_ngram = 0;
    std::size_t repeated = 0;
    for (const Hypothesis& h : all_found(free, 10)) {
      repeated += repeats(h.tokens, static_cast<std::size_t>(n)) ? 1 : 0;
    }
    CHECK(repeated > 25);
  }
  for (const Hypothesis& h : all_found({.max_length = 5, .no_repeat_ngram = 1}, 20)) {
    CHECK_FALSE(repeats(h.tokens, 1));
  }
}

TEST_CASE("A minimal length holds, and the rest of the choice is as before", "[nn]") {
  std::size_t shorter = 0;
  for (const Hypothesis& h : all_found({.max_length = 20, .n_best = 3}, 20)) {
    shorter += h.tokens.size() < 4 ? 1 : 0;
  }
  CHECK(shorter > 20);
  std::size_t exact = 0;
  for (const Hypothesis& h : all_found({.max_length = 20, .min_length = 4, .n_best = 3}, 20)) {
    CHECK(h.tokens.size() >= 4);
    exact += h.tokens.size() == 4 ? 1 : 0;
  }
  CHECK(exact > 0);
}

TEST_CASE("Every sentence may have its own maximal length", "[nn]") {
  const std::vector<std::int64_t> limits{0, 7, 2, 0, 1};
  const DecodingOptions options{.max_lengths = limits, .min_length = 100, .beam_size = 2};
  MadeUpModel a, b, c;
  const auto greedy = nn::greedy(std::ref(a), 5, options);
  const auto beam = nn::beam_search(std::ref(b), 5, options);
  const auto drawn = nn::sample(std::ref(c), 5, options);
  for (std::size_t s = 0; s < 5; ++s) {
    const auto length = static_cast<std::size_t>(limits[s]);
    CHECK(greedy[s].tokens.size() == length);
    CHECK(beam[s].at(0).tokens.size() == length);
    CHECK(drawn[s].at(0).tokens.size() == length);
    if (length == 0) continue;
    OneOf model{static_cast<std::int32_t>(s)};
    DecodingOptions own = options;
    own.max_lengths = {};
    own.max_length = limits[s];
    check_same(greedy[s], nn::greedy(std::ref(model), 1, own)[0]);
  }
  MadeUpModel model;
  CHECK_THROWS_AS(nn::greedy(std::ref(model), 4, options), ValueError);
  CHECK_THROWS_AS(nn::greedy(std::ref(model), 1, {.max_lengths = {-1}}), ValueError);
}
