#include <unroll/text/vocabulary.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::text;

namespace {

using Tokens = std::vector<std::string>;
using Ids = std::vector<std::int32_t>;

const TokenCounts kCounts = {{"the", 9}, {"lamp", 4}, {"\u00E9t\u00E9", 4}, {"Zoo", 4}, {"on", 1}};

Tokens tokens_of(const Vocabulary& vocabulary) {
  Tokens tokens;
  for (std::size_t id = kFirstToken; id < vocabulary.size(); ++id) {
    tokens.push_back(vocabulary.token(static_cast<std::int32_t>(id)));
  }
  return tokens;
}

}  // namespace

TEST_CASE("Vocabulary::build orders by count, then bytes") {
  CHECK(tokens_of(Vocabulary::build(kCounts)) ==
        Tokens{"the", "Zoo", "lamp", "\u00E9t\u00E9", "on"});
  CHECK(tokens_of(Vocabulary::build(kCounts, {.min_count = 2})) ==
        Tokens{"the", "Zoo", "lamp", "\u00E9t\u00E9"});
  CHECK(tokens_of(Vocabulary::build(kCounts, {.max_size = 6})) == Tokens{"the", "Zoo"});
  CHECK(Vocabulary::build(kCounts, {.max_size = 4}).size() == 4);
  CHECK(Vocabulary::build(kCounts, {.max_size = 1000}).size() == 9);
  CHECK(Vocabulary::build({}).size() == 4);
}

TEST_CASE("the special ids") {
  const Vocabulary vocabulary;
  CHECK(vocabulary.token(kPad) == "<pad>");
  CHECK(vocabulary.token(kUnk) == "<unk>");
  CHECK(vocabulary.token(kBos) == "<bos>");
  CHECK(vocabulary.token(kEos) == "<eos>");
  CHECK((kPad == 0 && kUnk == 1 && kBos == 2 && kEos == 3));
}

TEST_CASE("no text is taken for a special id") {
  const Vocabulary vocabulary = Vocabulary::build({{"<eos>", 50}, {"", 9}, {"a", 1}});
  CHECK(vocabulary.size() == 5);
  CHECK(vocabulary.encode({"<eos>", "<pad>", "<bos>", "<unk>", "a"}) ==
        Ids{kUnk, kUnk, kUnk, kUnk, 4});
}

TEST_CASE("encode and decode") {
  const Vocabulary vocabulary({"a", "b"});
  CHECK(vocabulary.encode({"b", "c", "a"}) == Ids{5, kUnk, 4});
  CHECK(vocabulary.encode({"b"}, {.bos = true, .eos = true}) == Ids{kBos, 5, kEos});
  CHECK(vocabulary.encode({}, {.eos = true}) == Ids{kEos});
  CHECK(vocabulary.decode({kBos, 5, kUnk, 4, kPad, kEos, 5}) == Tokens{"b", "<unk>", "a"});
  CHECK(vocabulary.decode({}).empty());
  CHECK_THROWS_AS(vocabulary.decode({6}), ValueError);
  CHECK_THROWS_AS(vocabulary.token(-1), ValueError);
  CHECK(contains(thrown_message([&] { vocabulary.token(6); }), "id 6; expected 0 to 5"));
}

TEST_CASE("Vocabulary refuses tokens that cannot be told apart or stored") {
  CHECK_THROWS_AS(Vocabulary({"a", "a"}), ValueError);
  CHECK_THROWS_AS(Vocabulary(Tokens{""}), ValueError);
  CHECK_THROWS_AS(Vocabulary(Tokens{"<pad>"}), ValueError);
  CHECK_THROWS_AS(Vocabulary(Tokens{"a\xFF"}), ValueError);
  CHECK_THROWS_AS(Vocabulary::build({{"a\xFF", 1}}), ValueError);
  CHECK_THROWS_AS(Vocabulary::build(kCounts, {.max_size = 3}), ValueError);
}

TEST_CASE("a vocabulary comes back from JSON") {
  const Vocabulary vocabulary = Vocabulary::build({{"\"", 1}, {"\u2581\u00E9", 2}, {"\\", 3}});
  const Vocabulary copy = Vocabulary::from_json(vocabulary.to_json());
  CHECK(copy == vocabulary);
  CHECK(copy.id("\u2581\u00E9") == vocabulary.id("\u2581\u00E9"));
  CHECK(Vocabulary::from_json(Vocabulary().to_json()).size() == 4);
}

TEST_CASE("Vocabulary::from_json refuses what is not a vocabulary") {
  const std::string good = R"({"format":"unroll vocabulary","version":1,"tokens":["a","b"]})";
  REQUIRE(Vocabulary::from_json(good).size() == 6);
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"{", ""},
      {"unroll vocabulary", "unroll tokenizer"},
      {"\"version\":1", "\"version\":1.0"},
      {"\"unroll vocabulary\"", "1"},
      {"\"version\":1,", ""},
      {R"(["a","b"])", "\"ab\""},
      {R"(["a","b"])", R"({"a":4})"},
      {"\"b\"", "5"},
      {"\"b\"", "\"a\""},
      {"\"b\"", "\"<eos>\""},
      {R"(,"tokens":["a","b"])", ""},
      {"\"tokens\"", "\"token\""},
      {"}", R"(,"more":[]})"},
      {"}", R"(,"tokens":["c"]})"},
      {"\"tokens\"", R"("token\u0073":[],"tokens")"},
      {"[", std::string(100'000, '[')},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    INFO(bad);
    CHECK_THROWS_AS(Vocabulary::from_json(bad), ValueError);
  }
}
