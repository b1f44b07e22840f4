#include <unroll/text/error_rate.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::text;

namespace {

/// The definition: the first token is kept or substituted, deleted, or inserted.
std::int64_t distance(std::string_view hypothesis, std::string_view reference) {
  if (hypothesis.empty() || reference.empty()) {
    return static_cast<std::int64_t>(hypothesis.size() + reference.size());
  }
  const std::int64_t kept =
      distance(hypothesis.substr(1), reference.substr(1)) + (hypothesis[0] == reference[0] ? 0 : 1);
  return std::min({kept, distance(hypothesis, reference.substr(1)) + 1,
                   distance(hypothesis.substr(1), reference) + 1});
}

std::string random_text(Random& random) {
  std::string text(random.below(6), ' ');
  for (char& c : text) c = static_cast<char>('a' + random.below(3));
  return text;
}

}  // namespace

TEST_CASE("edits_between worked by hand") {
  const auto edits = [](const std::string& hypothesis, const std::string& reference) {
    return edits_between(hypothesis, reference);
  };
  CHECK(edits("sitting", "kitten") == Edits{2, 0, 1});
  CHECK(edits("kitten", "sitting") == Edits{2, 1, 0});
  CHECK(edits("", "abc") == Edits{0, 3, 0});
  CHECK(edits("abc", "") == Edits{0, 0, 3});
  CHECK(edits("", "") == Edits{});
  CHECK(edits("abc", "abc") == Edits{});
  CHECK(edits("ba", "ab") == Edits{2, 0, 0});  // rather than one deletion and one insertion
  CHECK(edits("axbcd", "abce") == Edits{1, 0, 1});
}

TEST_CASE("edits_between finds the fewest edits") {
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const std::string a = random_text(random), b = random_text(random);
    INFO(a << " for " << b);
    const Edits edits = edits_between(a, b);
    CHECK(edits.total() == distance(a, b));
    CHECK(edits.insertions - edits.deletions ==
          static_cast<std::int64_t>(a.size()) - static_cast<std::int64_t>(b.size()));
    CHECK(edits_between(b, a) == Edits{edits.substitutions, edits.insertions, edits.deletions});
  }
}

TEST_CASE("ErrorRate counts words and sequences over a corpus") {
  using Words = std::vector<std::string>;
  ErrorRate rate;
  CHECK(std::isnan(rate.value()));
  CHECK(std::isnan(rate.sequence_error_rate()));
  rate.add(Words{"the", "cat", "sat"}, Words{"the", "cat", "sat"});
  rate.add(Words{"a", "cat", "sat", "down"}, Words{"the", "cat", "sat", "down", "here"});
  CHECK(rate.edits() == Edits{1, 1, 0});
  CHECK(rate.value() == 2.0 / 8);
  CHECK(rate.sequence_error_rate() == 0.5);
  rate.add(std::vector<int>{7, 7, 7, 7, 7, 7, 7, 7, 7}, std::vector<int>{});
  CHECK(rate.value() == 11.0 / 8);
  CHECK(rate.reference_tokens() == 8);
  CHECK(rate.sequences() == 3);
}

TEST_CASE("ErrorRate without a token in the references") {
  ErrorRate rate;
  rate.add(std::vector<int>{}, std::vector<int>{});
  CHECK(std::isnan(rate.value()));
  CHECK(rate.sequence_error_rate() == 0);
  rate.add(std::vector<int>{1}, std::vector<int>{});
  CHECK(std::isinf(rate.value()));
}
