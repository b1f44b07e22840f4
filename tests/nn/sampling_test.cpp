#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include <unroll/nn/decoding.h>
#include <unroll/tests/nn/made_up_model.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;
using nn::DecodingOptions;

namespace {

/// What `draws` first tokens of one sentence are, by number of times.
std::map<std::int32_t, int> first_tokens(DecodingOptions options, int draws) {
  MadeUpModel model;
  options.max_length = 1;
  options.n_best = draws;
  std::map<std::int32_t, int> counts;
  const auto drawn = nn::sample(std::ref(model), 1, options);
  for (const auto& h : drawn.at(0)) {
    ++counts[h.tokens.empty() ? kEnd : h.tokens[0]];
  }
  return counts;
}

/// Tokens by falling probability.
std::vector<std::int32_t> ranking(const std::vector<double>& log_probabilities) {
  std::vector<std::int32_t> order(log_probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](std::int32_t a, std::int32_t b) {
    return log_probabilities[static_cast<std::size_t>(a)] >
           log_probabilities[static_cast<std::size_t>(b)];
  });
  return order;
}

/// The sum of (observed - expected)^2 / expected.
double chi_square(const std::map<std::int32_t, int>& counts, std::vector<double> weights,
                  int draws) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double result = 0;
  for (std::size_t token = 0; token < weights.size(); ++token) {
    const auto found = counts.find(static_cast<std::int32_t>(token));
    const double observed = found == counts.end() ? 0 : found->second;
    const double expected = draws * weights[token] / total;
    if (expected == 0) {
      CHECK(observed == 0);
    } else {
      result += (observed - expected) * (observed - expected) / expected;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("Drawn tokens have the probabilities that the options say", "[nn]") {
  constexpr int kDraws = 20000;
  // Chi-square of 5 degrees of freedom exceeds this with probability 0.001.
  constexpr double kLimit = 20.5;
  MadeUpModel model;
  std::vector<double> p = model.next({0});
  const std::vector<std::int32_t> order = ranking(p);
  for (double& x : p) x = std::exp(x);
  const auto weights = [&](double exponent, std::size_t count) {
    std::vector<double> result(p.size(), 0);
    for (std::size_t k = 0; k < count; ++k) {
      const auto token = static_cast<std::size_t>(order[k]);
      result[token] = std::pow(p[token], exponent);
    }
    return result;
  };
  CHECK(chi_square(first_tokens({}, kDraws), weights(1, 6), kDraws) < kLimit);
  CHECK(chi_square(first_tokens({.seed = 7}, kDraws), weights(1, 6), kDraws) < kLimit);
  CHECK(chi_square(first_tokens({.temperature = 2}, kDraws), weights(0.5, 6), kDraws) < kLimit);
  CHECK(chi_square(first_tokens({.top_k = 3}, kDraws), weights(1, 3), kDraws) < kLimit);
  CHECK(chi_square(first_tokens({.temperature = 3, .top_k = 4}, kDraws), weights(1.0 / 3, 4),
                   kDraws) < kLimit);
  std::vector<double> allowed = weights(1, 6);
  allowed[static_cast<std::size_t>(order[0])] = 0;
  CHECK(chi_square(first_tokens({.forbidden = {order[0]}}, kDraws), allowed, kDraws) < kLimit);
}

TEST_CASE("top_p keeps the smallest set that has so much probability", "[nn]") {
  MadeUpModel model;
  const std::vector<double> scores = model.next({0});
  const std::vector<std::int32_t> order = ranking(scores);
  for (const double top_p : {0.01, 0.3, 0.6, 0.8, 0.95, 1.0}) {
    std::set<std::int32_t> expected;
    double sum = 0;
    for (std::size_t k = 0; k < order.size() && sum < top_p; ++k) {
      expected.insert(order[k]);
      sum += std::exp(scores[static_cast<std::size_t>(order[k])]);
    }
    std::set<std::int32_t> found;
    for (const auto& [token, count] : first_tokens({.top_p = top_p}, 20000)) found.insert(token);
    CHECK(found == expected);
  }
  // After top_k: half of what the two best have is the best alone.
  const auto counts = first_tokens({.top_k = 2, .top_p = 0.5}, 100);
  CHECK(counts.size() == 1);
  CHECK(counts.begin()->first == order[0]);
}

TEST_CASE("Sampling without chance is greedy", "[nn]") {
  MadeUpModel model;
  const auto greedy = nn::greedy(std::ref(model), 20, {.max_length = 30});
  for (const DecodingOptions& options : {DecodingOptions{.max_length = 30, .top_k = 1},
                                         DecodingOptions{.max_length = 30, .temperature = 0},
                                         DecodingOptions{.max_length = 30, .temperature = 1e-9},
                                         DecodingOptions{.max_length = 30, .top_p = 1e-9}}) {
    MadeUpModel other;
    const auto drawn = nn::sample(std::ref(other), 20, options);
    REQUIRE(drawn.size() == 20);
    for (std::size_t s = 0; s < 20; ++s) check_same(drawn[s].at(0), greedy[s]);
  }
}

TEST_CASE("What is drawn depends on the seeds alone", "[nn]") {
  const std::vector<std::uint64_t> seeds{5, 4, 3, 2, 9};
  const DecodingOptions options{.max_length = 12, .n_best = 3, .temperature = 1.5, .seeds = seeds};
  MadeUpModel together;
  const auto batch = nn::sample(std::ref(together), 5, options);
  std::set<std::vector<std::int32_t>> different;
  for (std::int32_t sentence = 0; sentence < 5; ++sentence) {
    OneOf model{sentence};
    DecodingOptions own = options;
    own.seeds = {seeds[static_cast<std::size_t>(sentence)]};
    const auto alone = nn::sample(std::ref(model), 1, own);
    const auto& expected = batch[static_cast<std::size_t>(sentence)];
    REQUIRE(expected.size() == 3);
    for (std::size_t k = 0; k < 3; ++k) {
      check_same(alone[0].at(k), expected[k]);
      different.insert(expected[k].tokens);
    }
  }
  CHECK(different.size() > 8);
  MadeUpModel a, b, c;
  const auto first = nn::sample(std::ref(a), 5, {.seed = 1}),
             again = nn::sample(std::ref(b), 5, {.seed = 1}),
             other = nn::sample(std::ref(c), 5, {.seed = 2});
  std::size_t same = 0;
  for (std::size_t s = 0; s < 5; ++s) {
    check_same(first[s][0], again[s][0]);
    same += first[s][0].tokens == other[s][0].tokens ? 1 : 0;
  }
  CHECK(same < 5);
}
