#include <unroll/text/tokenizer.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/text/vocabulary.h>

using namespace unroll;
using namespace unroll::text;

namespace {

using Tokens = std::vector<std::string>;

const Tokens kSentences = {"The lamp in the hall was left on.", "Don't leave the lamp on, please!",
                           "L'\u00E9t\u00E9 dernier, o\u00F9 \u00E9tais-tu ?",
                           "Il n'y a rien dans la lampe.",
                           "He paid 1,000.5 (more or less) for \"that\" lamp."};

Tokenizer learn(TokenizerOptions options) {
  TokenizerLearner learner(options);
  for (const std::string& sentence : kSentences) learner.add(sentence);
  return learner.learn();
}

}  // namespace

TEST_CASE("every kind of tokenizer gives sentences back") {
  for (const auto kind : {TokenizerKind::words, TokenizerKind::spaces, TokenizerKind::characters,
                          TokenizerKind::decomposed, TokenizerKind::bpe}) {
    const Tokenizer tokenizer = learn({.kind = kind, .bpe_merges = 40});
    for (const std::string& sentence : kSentences) {
      CHECK(tokenizer.detokenize(tokenizer.tokenize(sentence)) == sentence);
    }
    for (const std::string unseen :
         {"", "x", "\U0001F431 \u732B?!", "a-b -c d- - e", "f(x) \"y\""}) {
      INFO(unseen);
      CHECK(tokenizer.detokenize(tokenizer.tokenize(unseen)) == unseen);
    }
    CHECK(tokenizer.detokenize(tokenizer.tokenize(" a \t\u00A0b\u2581\u2581"
                                                  "c ")) == "a b c");
    CHECK(tokenizer.detokenize(tokenizer.tokenize("e\u0301")) == "\u00E9");
    CHECK_THROWS_AS(tokenizer.tokenize("a\xFF"), ValueError);
  }
}

TEST_CASE("a tokenizer can bring text into lower case") {
  const Tokenizer words({.kind = TokenizerKind::words, .lower_case = true});
  CHECK(words.tokenize("\u00C9T\u00C9, OK") == Tokens{"\u00E9t\u00E9", ",", "ok"});
  const Tokenizer bpe = learn({.kind = TokenizerKind::bpe, .lower_case = true, .bpe_merges = 40});
  CHECK(bpe.detokenize(bpe.tokenize("The LAMP")) == "the lamp");
  CHECK(bpe.tokenize("THE Lamp") == bpe.tokenize("the lamp"));
}

TEST_CASE("text that is cut already is cut at its spaces alone") {
  const Tokenizer tokenizer({.kind = TokenizerKind::spaces});
  CHECK(tokenizer.tokenize(" I_TURN  \u0283ip , don't") ==
        Tokens{"I_TURN", "\u0283ip", ",", "don't"});
  CHECK(tokenizer.tokenize("").empty());
  CHECK(tokenizer.detokenize({"a", ",", "b"}) == "a , b");
  CHECK(Tokenizer::from_json(tokenizer.to_json()).options() == tokenizer.options());
}

TEST_CASE("characters") {
  const Tokenizer tokenizer({.kind = TokenizerKind::characters});
  CHECK(tokenizer.tokenize(" a\u00E9  b.") == Tokens{"a", "\u00E9", "\u2581", "b", "."});
  CHECK(tokenizer.detokenize({"\u2581", "a", "\u2581", "b"}) == "a b");
}

TEST_CASE("characters with their marks apart") {
  const Tokenizer tokenizer({.kind = TokenizerKind::decomposed, .lower_case = true});
  CHECK(tokenizer.tokenize("\u00C9  \uD55C.") ==
        Tokens{"e", "\u0301", "\u2581", "\u1112", "\u1161", "\u11AB", "."});
  CHECK(tokenizer.detokenize({"e", "\u0301", "\u2581", "\u1112", "\u1161"}) == "\u00E9 \uD558");
}

TEST_CASE("subwords begin words with U+2581 and do not cross pieces") {
  const Tokenizer tokenizer = learn({.kind = TokenizerKind::bpe, .bpe_merges = 200});
  const Tokens tokens = tokenizer.tokenize("the lamp, the lamps");
  CHECK(tokens == Tokens{"\u2581the", "\u2581lamp", ",", "\u2581the", "\u2581lamp", "s"});
  CHECK(tokenizer.detokenize({"lam", "p", "\u2581the", "<unk>"}) == "lamp the<unk>");
}

TEST_CASE("characters never seen become <unk> in the vocabulary") {
  const Tokenizer tokenizer = learn({.kind = TokenizerKind::bpe, .bpe_merges = 200});
  TokenCounts counts;
  for (const std::string& sentence : kSentences) add_counts(counts, tokenizer.tokenize(sentence));
  const Vocabulary vocabulary = Vocabulary::build(counts);
  const Tokens tokens = tokenizer.tokenize("the\u732B lamp");
  CHECK(tokens == Tokens{"\u2581the", "\u732B", "\u2581lamp"});
  const auto ids = vocabulary.encode(tokens);
  CHECK(ids[0] >= kFirstToken);
  CHECK(ids[1] == kUnk);
  CHECK(tokenizer.detokenize(vocabulary.decode(ids)) == "the<unk> lamp");
}

TEST_CASE("a TokenizerLearner goes on after learn()") {
  TokenizerLearner learner({.kind = TokenizerKind::bpe, .bpe_merges = 50});
  CHECK(learner.learn().bpe()->merges().empty());
  learner.add("so so so");
  CHECK(learner.learn().tokenize("so") == Tokens{"\u2581so"});
  CHECK_THROWS_AS(learner.add("\xFF"), ValueError);
}

TEST_CASE("a tokenizer comes back from JSON") {
  for (const auto kind : {TokenizerKind::words, TokenizerKind::characters,
                          TokenizerKind::decomposed, TokenizerKind::bpe}) {
    const Tokenizer tokenizer = learn({.kind = kind, .lower_case = true, .bpe_merges = 40});
    const Tokenizer copy = Tokenizer::from_json(tokenizer.to_json());
    CHECK(copy.options() == tokenizer.options());
    CHECK(copy.bpe().has_value() == tokenizer.bpe().has_value());
    if (copy.bpe()) CHECK(copy.bpe()->merges() == tokenizer.bpe()->merges());
    for (const std::string& sentence : kSentences) {
      CHECK(copy.tokenize(sentence) == tokenizer.tokenize(sentence));
    }
    CHECK(copy.to_json() == tokenizer.to_json());
  }
}

TEST_CASE("Tokenizer::from_json refuses what is not a tokenizer") {
  const std::string good =
      R"({"format":"unroll tokenizer","version":1,"kind":"bpe","lower_case":false,)"
      R"("bpe_merges":5,"merges":[["a","b"]]})";
  REQUIRE(Tokenizer::from_json(good).tokenize("ab") == Tokens{"\u2581", "ab"});
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"{", "["},
      {"}", ""},
      {"}", "} x"},
      {"unroll tokenizer", "unroll vocabulary"},
      {"\"version\":1", "\"version\":2"},
      {"\"version\":1", "\"version\":\"1\""},
      {"\"bpe\"", "\"words\""},
      {"\"bpe\"", "\"other\""},
      {"\"bpe\"", "7"},
      {"false", "0"},
      {"false", "\"false\""},
      {":5", ":-5"},
      {":5", ":5.5"},
      {":5", ":99999999999"},
      {":5", ":\"5\""},
      {R"([["a","b"]])", "{}"},
      {R"([["a","b"]])", R"(["a","b"])"},
      {R"([["a","b"]])", R"([["a"]])"},
      {R"([["a","b"]])", R"([["a",1]])"},
      {R"([["a","b"]])", R"([["a","bc"]])"},
      {R"(,"merges":[["a","b"]])", ""},
      {"\"lower_case\":false,", ""},
      {"\"lower_case\"", "\"lowercase\""},
      {"}", R"(,"more":1})"},
      {"}", R"(,"lower_case":true})"},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    INFO(bad);
    CHECK_THROWS_AS(Tokenizer::from_json(bad), ValueError);
  }
  CHECK_THROWS_AS(Tokenizer::from_json(""), ValueError);
  CHECK_THROWS_AS(Tokenizer::from_json("[]"), ValueError);
  CHECK_THROWS_AS(Tokenizer::from_json("{\"format\":\"\xFF\"}"), ValueError);
}

TEST_CASE("a Tokenizer refuses options that do not fit") {
  CHECK_THROWS_AS(Tokenizer({.kind = TokenizerKind::bpe}), ValueError);
  CHECK_THROWS_AS(Tokenizer({.kind = TokenizerKind::words}, Bpe({})), ValueError);
  CHECK_THROWS_AS(Tokenizer({.bpe_merges = -1}), ValueError);
  CHECK_THROWS_AS(TokenizerLearner({.bpe_merges = -1}), ValueError);
}
