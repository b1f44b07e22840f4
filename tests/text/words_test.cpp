#include <unroll/text/words.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

#include <random>

using namespace unroll;
using namespace unroll::text;

using Tokens = std::vector<std::string>;

TEST_CASE("split_words finds words, numbers and punctuation") {
  CHECK(split_words("").empty());
  CHECK(split_words(" \t\u00A0").empty());
  CHECK(split_words("Hello, world!") == Tokens{"Hello", ",", "world", "!"});
  CHECK(split_words("It cost 1,000.5 (or 3.14).") ==
        Tokens{"It", "cost", "1,000.5", "(", "or", "3.14", ")", "."});
  CHECK(split_words("cafe\u0301 d\u00E9j\u00E0") == Tokens{"cafe\u0301", "d\u00E9j\u00E0"});
  CHECK(split_words("a well-known 4th") == Tokens{"a", "well", "-", "known", "4th"});
  CHECK(split_words("He said \"no\".") == Tokens{"He", "said", "\"", "no", "\"", "."});
  CHECK(split_words("wait...") == Tokens{"wait", ".", ".", "."});
}

TEST_CASE("split_words cuts at apostrophes as English and French do") {
  CHECK(split_words("don't") == Tokens{"don", "'t"});
  CHECK(split_words("I'm sure we'll see Ann's.") ==
        Tokens{"I", "'m", "sure", "we", "'ll", "see", "Ann", "'s", "."});
  CHECK(split_words("ISN'T") == Tokens{"ISN", "'T"});
  CHECK(split_words("l'homme") == Tokens{"l'", "homme"});
  CHECK(split_words("Qu'il s'agisse d'\u00E9t\u00E9") ==
        Tokens{"Qu'", "il", "s'", "agisse", "d'", "\u00E9t\u00E9"});
  CHECK(split_words("l\u2019homme don\u2019t") == Tokens{"l\u2019", "homme", "don", "\u2019t"});
  CHECK(split_words("rock'n'roll") == Tokens{"rock'", "n'", "roll"});
  CHECK(split_words("the dogs' end") == Tokens{"the", "dogs", "'", "end"});
}

TEST_CASE("split_words marks only the spacing that is out of the ordinary") {
  CHECK(split_words("Quoi ? Non !") == Tokens{"Quoi", "\u2581?", "Non", "\u2581!"});
  CHECK(split_words("f(x)") == Tokens{"f", "\uFFED(", "x", ")"});
  CHECK(split_words("3 - 4") == Tokens{"3", "\u2581-", "4"});
  CHECK(split_words("\u00AB oui \u00BB") == Tokens{"\u00AB", "oui", "\u00BB"});
}

TEST_CASE("join_words undoes split_words") {
  const Tokens sentences = {
      "",
      "Hello, world!",
      "Quoi ? Non ! Peut-\u00EAtre : oui ; voil\u00E0.",
      "He said \"no\", then \"yes\" (twice) and left.",
      "\"Why?\" - \"Because.\"",
      "l'homme qu'il aime, aujourd'hui",
      "don't, can\u2019t, 'tis the dogs' \u2018bone\u2019",
      "f(x)=a[1]+b/2 - c^2 ; g @h #1",
      "3 - 4, 3-4, -5, - 5",
      "10:30, www.example.org, e.g. U.S.",
      "\u00AB Oui \u00BB et \u00ABnon\u00BB \u201Cq\u201D",
      "\u00BFQu\u00E9? \u00A1S\u00ED! $5 5 $ 50% 50 %",
      "\u732B\u304C\u3044\u308B\u3002 \U0001F431\u200D\U0001F431 !",
      "\" \" \" a\"b\"c",
      "<unk> <eos> _x_",
  };
  for (const std::string& sentence : sentences) {
    INFO(sentence);
    CHECK(join_words(split_words(sentence)) == sentence);
  }
}

TEST_CASE("join_words undoes split_words on random text") {
  const Tokens parts = {"a", "b1", "7", " ", " ", " ", "'",      "\u2019", "\"", ".",      ",", "?",
                        "!", "(",  ")", "-", "/", ":", "\u00E9", "s",      "ll", "\u00BB", "$"};
  std::mt19937 engine(7);
  for (int trial = 0; trial < 5000; ++trial) {
    std::string sentence;
    for (int i = 0; i < 12; ++i) {
      const std::string& part = parts[engine() % parts.size()];
      const bool second_space = part == " " && (sentence.empty() || sentence.back() == ' ');
      if (!second_space) sentence += part;
    }
    if (!sentence.empty() && sentence.back() == ' ') sentence.pop_back();
    if (join_words(split_words(sentence)) != sentence) FAIL(sentence);
  }
}

TEST_CASE("separators become single spaces") {
  CHECK(join_words(split_words("  a \t b\u00A0\u202F?\n")) == "a b ?");
  CHECK(join_words(split_words("a\u2581b\uFFED"
                               "c\x01"
                               "d")) == "a b c d");
}

TEST_CASE("join_words gives sensible text for tokens that nobody split") {
  CHECK(join_words({"Yes", ",", "it", "'s", "l'", "ami", "."}) == "Yes, it's l'ami.");
  CHECK(join_words({"(", "\"", "a", "\"", ")", "!"}) == "(\"a\")!");
  CHECK(join_words({"", "\u2581", "a", "<unk>", "\uFFED"}) == "a <unk>");
  CHECK(join_words({"\u2581?", "\uFFEDx"}) == "?x");
}

TEST_CASE("split_pieces says which pieces stand after a space") {
  CHECK(split_pieces(" ab, c") == std::vector<Piece>{{"ab", false}, {",", false}, {"c", true}});
  CHECK_THROWS_AS(split_pieces("a\xFF"), ValueError);
}
