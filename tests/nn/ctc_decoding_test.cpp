// CTC decoding: worked by hand, against all alignments, padding, errors.
#include <unroll/nn/ctc_decoding.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include <unroll/autograd/error.h>
#include <unroll/nn/ctc.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/nn/alignments.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;
using Labels = std::vector<std::int32_t>;

namespace {

Tensor logarithms(const Shape& shape, std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return Tensor(shape, probabilities);
}

Tensor log_probabilities(const Shape& shape) {
  Tape tape;
  return log_softmax(tape.input(uniform(shape, -3, 3))).value();
}

}  // namespace

TEST_CASE("ctc_greedy joins repeats, then leaves blanks out", "[nn][ctc]") {
  Tensor x = Tensor::full({8, 1, 3}, std::log(0.25), Dtype::float64);
  const std::vector<std::size_t> best{1, 1, 0, 1, 2, 2, 0, 0};
  for (std::size_t t = 0; t < best.size(); ++t) {
    x.mutable_data<double>()[t * 3 + best[t]] = std::log(0.5);
  }
  const auto found = nn::ctc_greedy(x);
  REQUIRE(found.size() == 1);
  CHECK(found[0].labels == Labels{1, 1, 2});
  CHECK(found[0].log_probability == Approx(8 * std::log(0.5)));
  CHECK(nn::ctc_greedy(x, {.lengths = {4}})[0].labels == Labels{1, 1});
  CHECK(nn::ctc_greedy(x, {.lengths = {0}})[0].labels.empty());
  CHECK(nn::ctc_greedy(x, {.blank = 1})[0].labels == Labels{0, 2, 0});
  CHECK(nn::ctc_greedy(x.to(Dtype::float32))[0].labels == Labels{1, 1, 2});
}

TEST_CASE("the best labels need not be those of the best alignment", "[nn][ctc]") {
  // The best alignment is blank, blank: 0.36. But label 1 has 0.4 0.4 + 2 0.4 0.6 = 0.64.
  const Tensor x = logarithms({2, 1, 2}, {0.6, 0.4, 0.6, 0.4});
  CHECK(nn::ctc_greedy(x)[0].labels.empty());
  const auto found = nn::ctc_beam_search(x, {.n_best = 5})[0];
  REQUIRE(found.size() == 2);
  CHECK(found[0].labels == Labels{1});
  CHECK(found[0].log_probability == Approx(std::log(0.64)));
  CHECK(found[1].labels.empty());
  CHECK(found[1].log_probability == Approx(std::log(0.36)));
}

TEST_CASE("ctc_beam_search with a wide beam finds all labels with their losses", "[nn][ctc]") {
  const Tensor x = log_probabilities({5, 2, 4});
  const std::vector<std::int32_t> lengths{5, 4};
  const auto found =
      nn::ctc_beam_search(x, {.lengths = lengths, .blank = 2, .beam_size = 1000, .n_best = 1000});
  Tape tape;
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto& list = found[static_cast<std::size_t>(b)];
    const auto expected = label_probabilities(x, b, lengths[static_cast<std::size_t>(b)], 2);
    REQUIRE(list.size() == expected.size());
    for (const auto& hypothesis : list) {
      CHECK(std::exp(hypothesis.log_probability) ==
            Approx(expected.at(hypothesis.labels)).epsilon(1e-12));
    }
    CHECK(std::ranges::is_sorted(list, std::greater<>(), &nn::CtcHypothesis::log_probability));
  }
}

TEST_CASE("ctc_beam_search with a narrow beam stays below the true probability", "[nn][ctc]") {
  const Tensor x = log_probabilities({8, 1, 3});
  const auto expected = label_probabilities(x, 0, 8, 0);
  for (const int beam_size : {1, 4, 64}) {
    const auto found = nn::ctc_beam_search(x, {.beam_size = beam_size})[0];
    REQUIRE(found.size() == 1);
    CHECK(std::exp(found[0].log_probability) <= expected.at(found[0].labels) * (1 + 1e-12));
  }
}

TEST_CASE("CTC decoding does not read padded steps and takes impossible classes", "[nn][ctc]") {
  Tensor x = logarithms({3, 2, 2}, {0, 1, 0.6, 0.4, 1, 0, 0.6, 0.4, 0, 1, 0.6, 0.4});
  for (std::size_t k : {2, 3, 6, 7, 10, 11}) x.mutable_data<double>()[k] = std::nan("");
  const nn::CtcDecodingOptions options{.lengths = {3, 0}, .beam_size = 3, .n_best = 3};
  const auto greedy = nn::ctc_greedy(x, options);
  CHECK(greedy[0].labels == Labels{1, 1});
  CHECK(greedy[1].labels.empty());
  const auto found = nn::ctc_beam_search(x, options);
  CHECK(found[0][0].labels == Labels{1, 1});
  CHECK(found[0][0].log_probability == 0);
  REQUIRE(found[1].size() == 1);
  CHECK(found[1][0].labels.empty());
  CHECK(found[1][0].log_probability == 0);
  CHECK_THROWS_AS(nn::ctc_greedy(x), NumericError);
  CHECK_THROWS_AS(nn::ctc_beam_search(x), NumericError);
}

TEST_CASE("CTC decoding refuses what does not fit", "[nn][ctc]") {
  const Tensor x(Shape{3, 2, 4});
  CHECK_THROWS_AS(nn::ctc_greedy(Tensor(Shape{3, 4})), ShapeError);
  CHECK_THROWS_AS(nn::ctc_greedy(x.to(Dtype::int32)), DtypeError);
  CHECK_THROWS_AS(nn::ctc_greedy(x, {.blank = 4}), ValueError);
  CHECK_THROWS_AS(nn::ctc_greedy(x, {.lengths = {4, 1}}), ValueError);
  CHECK_THROWS_AS(nn::ctc_beam_search(x, {.beam_size = 0}), ValueError);
  CHECK_THROWS_AS(nn::ctc_beam_search(x, {.beam_size = 2, .n_best = 3}), ValueError);
  CHECK(nn::ctc_greedy(Tensor(Shape{0, 2, 4})).size() == 2);
  CHECK(nn::ctc_beam_search(Tensor(Shape{3, 0, 4})).empty());
}
