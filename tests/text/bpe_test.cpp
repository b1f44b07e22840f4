#include <unroll/text/bpe.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/text/utf8.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <thread>

using namespace unroll;
using namespace unroll::text;

namespace {

using Tokens = std::vector<std::string>;
using Merges = std::vector<Bpe::Merge>;

Tokens code_points(const std::string& word) {
  Tokens tokens;
  for (const char32_t c : decode_utf8(word)) tokens.push_back(encode_utf8(std::u32string(1, c)));
  return tokens;
}

Tokens applied(const Tokens& tokens, const Bpe::Merge& merge) {
  Tokens out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool here =
        tokens[i] == merge.first && i + 1 < tokens.size() && tokens[i + 1] == merge.second;
    out.push_back(here ? tokens[i] + tokens[i + 1] : tokens[i]);
    if (here) ++i;
  }
  return out;
}

// The definition, word for word: count all pairs, take the best, apply it everywhere. Ties are left
// to the learner, whose choice has to be among the best.
void check_against_definition(const TokenCounts& counts, const Merges& merges) {
  std::map<std::string, Tokens> words;
  for (const auto& [word, count] : counts) words[word] = code_points(word);
  for (const Bpe::Merge& merge : merges) {
    std::map<Bpe::Merge, std::int64_t> pairs;
    for (const auto& [word, tokens] : words) {
      for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        pairs[{tokens[i], tokens[i + 1]}] += counts.at(word);
      }
    }
    const auto best = std::max_element(pairs.begin(), pairs.end(),
                                       [](auto& a, auto& b) { return a.second < b.second; });
    REQUIRE(best != pairs.end());
    REQUIRE(pairs[merge] == best->second);
    for (auto& [word, tokens] : words) tokens = applied(tokens, merge);
  }
}

// One merge at a time over the whole word, the earliest learned that applies.
Tokens encode_by_definition(const std::string& word, const Merges& merges) {
  Tokens tokens = code_points(word);
  for (bool changed = true; changed;) {
    changed = false;
    for (const Bpe::Merge& merge : merges) {
      Tokens next = applied(tokens, merge);
      if (next.size() == tokens.size()) continue;
      tokens = std::move(next);
      changed = true;
      break;
    }
  }
  return tokens;
}

std::string random_word(std::mt19937& engine, const Tokens& alphabet, std::size_t longest) {
  std::string word;
  const std::size_t length = 1 + engine() % longest;
  for (std::size_t i = 0; i < length; ++i) word += alphabet[engine() % alphabet.size()];
  return word;
}

}  // namespace

TEST_CASE("Bpe::learn joins the most frequent pairs first") {
  const Bpe bpe = Bpe::learn({{"lower", 3}, {"low", 5}, {"newer", 6}}, 4);
  // w-e and e-r occur 9 times, e is the oldest of them; then w-er 9 times and l-o 8 times.
  CHECK(bpe.merges()[0] == Bpe::Merge{"e", "r"});
  CHECK(bpe.merges()[1] == Bpe::Merge{"w", "er"});
  CHECK(bpe.merges()[2] == Bpe::Merge{"l", "o"});
}

TEST_CASE("Bpe::learn breaks ties by age and stops when no pair occurs twice") {
  CHECK(Bpe::learn({{"dc", 2}, {"ba", 2}, {"xy", 1}}, 100).merges() ==
        Merges{{"b", "a"}, {"d", "c"}});
  CHECK(Bpe::learn({}, 10).merges().empty());
  CHECK(Bpe::learn({{"aaaa", 9}}, 0).merges().empty());
}

TEST_CASE("Bpe::learn and encode follow the definition on random words") {
  const Tokens alphabet = {"a", "b", "c", "\u00E9"};
  std::mt19937 engine(3);
  for (int trial = 0; trial < 60; ++trial) {
    TokenCounts counts;
    for (int i = 0; i < 30; ++i) counts[random_word(engine, alphabet, 8)] += 1 + engine() % 9;
    const Bpe bpe = Bpe::learn(counts, 25);
    check_against_definition(counts, bpe.merges());
    for (int i = 0; i < 30; ++i) {
      const std::string word = random_word(engine, alphabet, 12);
      INFO(word);
      REQUIRE(bpe.encode(word) == encode_by_definition(word, bpe.merges()));
      REQUIRE(bpe.encode(word) == encode_by_definition(word, bpe.merges()));  // remembered
    }
  }
}

TEST_CASE("Bpe::encode leaves unknown characters alone") {
  const Bpe bpe(Merges{{"a", "b"}, {"ab", "c"}});
  CHECK(bpe.encode("").empty());
  CHECK(bpe.encode("abcab") == Tokens{"abc", "ab"});
  CHECK(bpe.encode("ab\u732B"
                   "abc") == Tokens{"ab", "\u732B", "abc"});
  CHECK_THROWS_AS(bpe.encode("a\xFF"), ValueError);
}

TEST_CASE("Bpe::encode is fast on a very long word") {
  std::string word;
  for (int i = 0; i < 200000; ++i) word += "ab";
  const Bpe bpe(Merges{{"a", "b"}, {"ab", "ab"}});
  CHECK(bpe.encode(word).size() == 100000);
}

TEST_CASE("a Bpe may be used from several threads") {
  const Bpe bpe = Bpe::learn({{"banana", 5}, {"bandana", 4}, {"cabana", 3}}, 10);
  const Tokens alphabet = {"a", "b", "n", "d", "c"};
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 engine(t);
      for (int i = 0; i < 2000; ++i) {
        const std::string word = random_word(engine, alphabet, 6);
        std::string joined;
        for (const std::string& part : bpe.encode(word)) joined += part;
        wrong[t] += joined != word;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("Bpe refuses merges and counts that make no sense") {
  CHECK_THROWS_AS(Bpe(Merges{{"ab", "c"}}), ValueError);
  CHECK_THROWS_AS(Bpe(Merges{{"a", ""}}), ValueError);
  CHECK_THROWS_AS(Bpe(Merges{{"a", "b"}, {"a", "b"}}), ValueError);
  CHECK_THROWS_AS(Bpe(Merges{{"a", "\xFF"}}), ValueError);
  CHECK(contains(thrown_message([] {
                   Bpe bpe(Merges{{"a", "b"}, {"ab", "cd"}});
                 }),
                 "merge 1 has the part \"cd\""));
  CHECK_THROWS_AS(Bpe::learn({{"a", 1}}, -1), ValueError);
  CHECK_THROWS_AS(Bpe::learn({{"a", -1}}, 1), ValueError);
  CHECK_THROWS_AS(Bpe::learn({{"a\xFF", 1}}, 1), ValueError);
}
