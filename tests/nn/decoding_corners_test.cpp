// Search where little or nothing is possible, where all is equal, and what it refuses.
#include <unroll/nn/decoding.h>

#include <algorithm>
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

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// Says the same for all hypotheses: a list of log-probabilities per step, the last one again and
/// again.
struct Script {
  std::vector<std::vector<double>> steps;
  std::size_t made = 0;
  std::size_t most_rows = 0;

  nn::StepScores operator()(std::span<const std::int32_t> ids, std::span<const std::int32_t>) {
    const auto& row = steps[std::min(made++, steps.size() - 1)];
    most_rows = std::max(most_rows, ids.size());
    std::vector<double> scores;
    for (std::size_t k = 0; k < ids.size(); ++k)
      scores.insert(scores.end(), row.begin(), row.end());
    const Shape shape{static_cast<std::int64_t>(ids.size()), static_cast<std::int64_t>(row.size())};
    return {Tensor(shape, scores), Tensor()};
  }
};

}  // namespace

TEST_CASE("A beam follows only what is possible", "[nn]") {
  Script one_way{{{kNever, kNever, 0, kNever}, {kNever, kNever, kNever, 0}}};
  const auto only = nn::beam_search(std::ref(one_way), 1, {.beam_size = 3, .n_best = 3});
  REQUIRE(only[0].size() == 1);
  CHECK(only[0][0].tokens == std::vector<std::int32_t>{2});
  CHECK(only[0][0].log_probability == 0);
  CHECK(one_way.made == 2);
  CHECK(one_way.most_rows == 1);

  // An end that cannot be is no better than being cut off.
  Script endless{{{-1, -2, kNever, kNever}}};
  const auto cut = nn::beam_search(std::ref(endless), 1, {.max_length = 2, .beam_size = 5});
  CHECK(cut[0][0].tokens == std::vector<std::int32_t>{0, 0});
  CHECK_FALSE(cut[0][0].ended);
}

TEST_CASE("Where nothing is possible, a hypothesis ends", "[nn]") {
  const std::vector<DecodingOptions> dead_ends{
      {.beam_size = 1},
      {.min_length = 9, .no_repeat_ngram = 1, .beam_size = 1},  // three tokens, and no fourth
      {.forbidden = {0, 1, 2, kEnd}, .beam_size = 1}};
  const std::vector<std::size_t> lengths{1, 3, 0};
  for (std::size_t i = 0; i < dead_ends.size(); ++i) {
    const std::vector<double> all{-1, -2, -3, -4}, none(4, kNever);
    Script a{{all, i == 0 ? none : all}}, b = a, c = a;
    const Hypothesis greedy = nn::greedy(std::ref(a), 1, dead_ends[i])[0];
    CHECK(greedy.tokens.size() == lengths[i]);
    CHECK(greedy.ended);
    CHECK(greedy.log_probability == kNever);
    const auto beam = nn::beam_search(std::ref(b), 1, dead_ends[i]);
    REQUIRE(beam[0].size() == 1);
    check_same(beam[0][0], greedy);
    CHECK(nn::sample(std::ref(c), 1, dead_ends[i])[0][0].log_probability == kNever);
  }
}

TEST_CASE("Of equally probable tokens the first ones are chosen", "[nn]") {
  const nn::StepFunction equal = [](std::span<const std::int32_t> ids,
                                    std::span<const std::int32_t>) {
    return nn::StepScores{Tensor::full({static_cast<std::int64_t>(ids.size()), 5}, std::log(0.2)),
                          {}};
  };
  const std::vector<std::int32_t> zeros{0, 0, 0};
  DecodingOptions options{.end = 4, .max_length = 3, .forbidden = {4}};
  CHECK(nn::greedy(equal, 1, options).at(0).tokens == zeros);
  CHECK(nn::beam_search(equal, 1, options).at(0).at(0).tokens == zeros);
  options.max_length = 20;
  options.n_best = 5;
  options.top_k = 2;
  bool both = false;
  const auto sampled = nn::sample(equal, 1, options);
  for (const Hypothesis& drawn : sampled.at(0)) {
    REQUIRE(drawn.tokens.size() == 20);
    CHECK(std::ranges::max(drawn.tokens) < 2);
    both = both || std::ranges::max(drawn.tokens) != std::ranges::min(drawn.tokens);
  }
  CHECK(both);
}

TEST_CASE("Decoding says what is wrong", "[nn]") {
  MadeUpModel model;
  const auto step = std::ref(model);
  CHECK_THROWS_AS(nn::greedy(step, -1), ValueError);
  CHECK_THROWS_AS(nn::beam_search(step, 1, {.beam_size = 0}), ValueError);
  CHECK_THROWS_AS(nn::beam_search(step, 1, {.beam_size = 2, .n_best = 3}), ValueError);
  CHECK_THROWS_AS(nn::greedy(step, 1, {.min_length = -1}), ValueError);
  CHECK_THROWS_AS(nn::greedy(step, 1, {.no_repeat_ngram = -1}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 1, {.n_best = 0}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 1, {.temperature = -1}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 1, {.top_k = -1}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 1, {.top_p = 0}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 1, {.top_p = 1.5}), ValueError);
  CHECK_THROWS_AS(nn::sample(step, 2, {.seeds = {1}}), ValueError);
  CHECK(nn::greedy(step, 0).empty());
  CHECK(nn::sample(step, 0).empty());
  CHECK(nn::beam_search(step, 0).empty());
  const auto wrong_rows = [](auto, auto) { return nn::StepScores{Tensor(Shape{7, 5}), Tensor()}; };
  CHECK_THROWS_AS(nn::greedy(wrong_rows, 1), ValueError);
  const auto wrong_attention = [](auto, auto) {
    return nn::StepScores{Tensor(Shape{2, 5}), Tensor(Shape{3})};
  };
  CHECK_THROWS_AS(nn::greedy(wrong_attention, 2), ValueError);
  const auto turned_attention = [](auto, auto) {
    return nn::StepScores{Tensor(Shape{2, 5}), Tensor(Shape{3, 2})};
  };
  CHECK_THROWS_AS(nn::greedy(turned_attention, 2), ValueError);
  Script growing{{{-1, -2, -3, -4}, {-9, -9, -9, -9, 0}}};
  const auto message = thrown_message([&] { nn::greedy(std::ref(growing), 1); });
  CHECK(message == "decoding: the step function returned scores of shape [1, 5]; expected [1, 4]");
  const auto nan = [](auto, auto) {
    return nn::StepScores{Tensor::full({1, 5}, std::nan("")), Tensor()};
  };
  CHECK_THROWS_AS(nn::greedy(nan, 1), NumericError);
  CHECK_THROWS_AS(nn::beam_search(nan, 1), NumericError);
}
