#include <unroll/text/batches.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

using namespace unroll;
using namespace unroll::text;

namespace {

using Batches = std::vector<std::vector<std::size_t>>;

std::vector<ExampleLength> random_lengths(std::size_t count) {
  std::mt19937 engine(11);
  std::vector<ExampleLength> lengths(count);
  for (ExampleLength& length : lengths) {
    length.source = static_cast<std::int32_t>(1 + engine() % 40);
    length.target = std::max(1, length.source + static_cast<std::int32_t>(engine() % 9) - 4);
  }
  return lengths;
}

std::int64_t cost(const std::vector<std::size_t>& batch,
                  const std::vector<ExampleLength>& lengths) {
  std::int32_t longest = 0;
  for (const std::size_t i : batch) {
    longest = std::max({longest, lengths[i].source, lengths[i].target});
  }
  return static_cast<std::int64_t>(batch.size()) * longest;
}

std::vector<std::size_t> sorted_examples(const Batches& batches) {
  std::vector<std::size_t> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("make_batches uses every example once and keeps to the budget") {
  const auto lengths = random_lengths(3001);
  std::vector<std::size_t> every(lengths.size());
  std::iota(every.begin(), every.end(), std::size_t{0});
  for (const std::size_t window : {1u, 7u, 500u, 3001u, 100000u}) {
    const Batches batches = make_batches(lengths, {.max_tokens = 256, .window = window}, 0);
    CHECK(sorted_examples(batches) == every);
    for (const auto& batch : batches) {
      CHECK_FALSE(batch.empty());
      CHECK(cost(batch, lengths) <= 256);
    }
  }
}

TEST_CASE("make_batches puts similar lengths together") {
  const auto lengths = random_lengths(3000);
  std::int64_t padded = 0;
  std::int64_t used = 0;
  for (const auto& batch : make_batches(lengths, {.max_tokens = 512}, 0)) {
    padded += cost(batch, lengths);
    for (const std::size_t i : batch) used += std::max(lengths[i].source, lengths[i].target);
  }
  CHECK(static_cast<double>(used) / static_cast<double>(padded) > 0.97);
}

TEST_CASE("make_batches depends on seed and epoch alone") {
  const auto lengths = random_lengths(400);
  const BatchOptions options = {.max_tokens = 200, .seed = 5};
  const Batches first = make_batches(lengths, options, 3);
  CHECK(make_batches(lengths, options, 3) == first);
  CHECK(make_batches(lengths, options, 4) != first);
  CHECK(make_batches(lengths, {.max_tokens = 200, .seed = 6}, 3) != first);
}

TEST_CASE("make_batches gives the same on every platform") {
  const std::vector<ExampleLength> lengths(8, ExampleLength{1, 1});
  CHECK(make_batches(lengths, {.max_tokens = 3, .seed = 1}, 2) ==
        Batches{{0, 2, 3}, {1, 5, 7}, {4, 6}});
}

TEST_CASE("make_batches does not begin with the short ones") {
  std::vector<ExampleLength> lengths(100);
  std::int32_t next = 0;
  for (ExampleLength& length : lengths) length.source = length.target = next++;
  const Batches batches = make_batches(lengths, {.max_tokens = 100}, 0);
  std::vector<std::int32_t> order;
  for (const auto& batch : batches) order.push_back(lengths[batch.front()].source);
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("make_batches at the edges") {
  CHECK(make_batches({}, {}, 0).empty());
  const Batches long_one = make_batches({{900, 2}, {1, 1}}, {.max_tokens = 10}, 0);
  CHECK(long_one.size() == 2);  // over the budget by itself, hence alone
  CHECK(make_batches(std::vector<ExampleLength>(50), {.max_tokens = 1}, 0).size() == 1);
  const std::int32_t most = std::numeric_limits<std::int32_t>::max();
  CHECK(make_batches({{most, most}, {most, most}, {most, most}}, {}, 0).size() == 3);
}

TEST_CASE("make_batches refuses arguments out of range") {
  CHECK_THROWS_AS(make_batches({{-1, 2}}, {}, 0), ValueError);
  CHECK_THROWS_AS(make_batches({{1, 2}}, {.max_tokens = 0}, 0), ValueError);
  CHECK_THROWS_AS(make_batches({{1, 2}}, {.window = 0}, 0), ValueError);
  CHECK(contains(thrown_message([] { make_batches({{1, 1}, {2, -2}}, {}, 0); }), "example 1"));
}

TEST_CASE("sequences of ids are padded to the longest") {
  const std::vector<std::vector<std::int32_t>> sequences{{1, 2, 3}, {}, {4}, {5, 6}};
  const PaddedIds all = padded(sequences);
  CHECK(all.lengths == std::vector<std::int32_t>{3, 0, 1, 2});
  CHECK(all.ids.shape() == Shape{3, 4});
  CHECK(std::ranges::equal(all.ids.data<std::int32_t>(),
                           std::vector<std::int32_t>{1, 0, 4, 5, 2, 0, 0, 6, 3, 0, 0, 0}));
  const std::vector<std::size_t> chosen{3, 2};
  const PaddedIds some = padded(sequences, chosen, {.pad = -1, .batch_first = true});
  CHECK(some.lengths == std::vector<std::int32_t>{2, 1});
  CHECK(some.ids.shape() == Shape{2, 2});
  CHECK(std::ranges::equal(some.ids.data<std::int32_t>(), std::vector<std::int32_t>{5, 6, 4, -1}));
  CHECK(padded({}).ids.shape() == Shape{0, 0});
  CHECK_THROWS_AS(padded(sequences, std::vector<std::size_t>{4}), ValueError);
}
