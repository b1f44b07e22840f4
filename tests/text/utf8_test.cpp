#include <unroll/text/utf8.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::text;

namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

}  // namespace

TEST_CASE("find_invalid_utf8 gives the first byte of the first bad sequence") {
  using Position = std::optional<std::size_t>;
  CHECK(find_invalid_utf8("") == std::nullopt);
  CHECK(find_invalid_utf8("na\u00EFve \U0001F431") == std::nullopt);
  CHECK(find_invalid_utf8(std::string("a\0b", 3)) == std::nullopt);
  CHECK(find_invalid_utf8("\xFF") == Position(0));
  CHECK(find_invalid_utf8("ab\xFFz\xFF") == Position(2));
  CHECK(find_invalid_utf8("\u00E9\x80") == Position(2));           // a trail byte alone
  CHECK(find_invalid_utf8("a\xC3") == Position(1));                // cut at the end
  CHECK(find_invalid_utf8("ab\xE2\x96z") == Position(2));          // cut inside
  CHECK(find_invalid_utf8("a\xC0\xAF") == Position(1));            // overlong
  CHECK(find_invalid_utf8("a\xED\xA0\x80") == Position(1));        // a surrogate
  CHECK(find_invalid_utf8("abc\xF4\x90\x80\x80") == Position(3));  // above U+10FFFF
}

TEST_CASE("replace_invalid_utf8 repairs what is bad and nothing else") {
  CHECK(replace_invalid_utf8("d\u00E9j\u00E0") == "d\u00E9j\u00E0");
  CHECK(replace_invalid_utf8("a\xFFz") == "a" + kReplacement + "z");
  CHECK(replace_invalid_utf8("a\xC3") == "a" + kReplacement);
  CHECK(replace_invalid_utf8("\xE2\x96z") == kReplacement + "z");
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second), 'x'};
      const std::string text = replace_invalid_utf8(bytes);
      if (find_invalid_utf8(text) || text.back() != 'x') FAIL(first << " " << second);
      if (!find_invalid_utf8(bytes) && text != bytes) FAIL(first << " " << second);
    }
  }
}

TEST_CASE("decode_utf8 and encode_utf8 undo each other") {
  const std::u32string code_points = U"a\u00E9\u2581\U0001F431";
  CHECK(decode_utf8("a\xC3\xA9\xE2\x96\x81\xF0\x9F\x90\xB1") == code_points);
  CHECK(encode_utf8(code_points) == "a\xC3\xA9\xE2\x96\x81\xF0\x9F\x90\xB1");
  CHECK_THROWS_AS(decode_utf8("abc\xFF"), ValueError);
  CHECK(contains(thrown_message([] { decode_utf8("abc\xFF"); }), "byte 3"));
  CHECK_THROWS_AS(encode_utf8(std::u32string(1, char32_t{0xD800})), ValueError);
  CHECK_THROWS_AS(encode_utf8(std::u32string(1, char32_t{0x110000})), ValueError);
}

TEST_CASE("nfd takes apart what nfc puts together") {
  CHECK(nfd("plain") == "plain");
  CHECK(nfd("\u00E9t\u00E9") == "e\u0301te\u0301");
  CHECK(nfd("\uD55C\uAE00") == "\u1112\u1161\u11AB\u1100\u1173\u11AF");  // Hangul: jamo
  CHECK(nfd("\u304C") == "\u304B\u3099");
  CHECK(nfd("\uFB01") == "\uFB01");
  CHECK(nfd("q\u0307\u0323") == "q\u0323\u0307");
  CHECK(nfc(nfd("\u1E69 \uD55C")) == "\u1E69 \uD55C");
  CHECK_THROWS_AS(nfd("\xFF"), ValueError);
}

TEST_CASE("nfc composes") {
  CHECK(nfc("plain") == "plain");
  CHECK(nfc("e\u0301te\u0301") == "\u00E9t\u00E9");
  CHECK(nfc("\u212B") == "\u00C5");                     // the Angstrom sign is a letter
  CHECK(nfc("q\u0323\u0307") == nfc("q\u0307\u0323"));  // marks in canonical order
  CHECK(nfc("\uFB01") == "\uFB01");                     // a ligature is not taken apart
  const std::string with_zero("e\u0301\0z", 5);
  CHECK(nfc(with_zero) == std::string("\u00E9\0z", 4));
  CHECK_THROWS_AS(nfc("\xFF"), ValueError);
}

TEST_CASE("lower_case works beyond ASCII") {
  CHECK(lower_case("\u00C9T\u00C9 \u0152uvre \u039A\u0391\u0399") ==
        "\u00E9t\u00E9 \u0153uvre \u03BA\u03B1\u03B9");
  CHECK(lower_case("1 \u732B!") == "1 \u732B!");
  CHECK_THROWS_AS(lower_case("\xFF"), ValueError);
}

TEST_CASE("character classes") {
  for (const char32_t c : U" \t\n\r\v\f\x1C\u0085\u00A0\u1680\u2003\u2028\u202F\u3000") {
    if (c != 0) CHECK(is_space(c));
  }
  CHECK_FALSE(is_space(U'\u200B'));
  CHECK_FALSE(is_space(U'\u2581'));
  CHECK_FALSE(is_space(U'a'));
  for (const char32_t c : {U'a', U'\u00E9', U'\u0301', U'7', U'\u0663', U'\u00BD', U'\u732B'}) {
    CHECK(is_word_character(c));
  }
  for (const char32_t c : {U'.', U'_', U'$', U' ', U'\U0001F431', U'\u2019'}) {
    CHECK_FALSE(is_word_character(c));
  }
  CHECK(is_digit(U'\u0663'));
  CHECK_FALSE(is_digit(U'\u00BD'));
  CHECK(is_control(U'\x7F'));
  CHECK_FALSE(is_control(U'\u00AD'));
}

TEST_CASE("split_on_space") {
  CHECK(split_on_space("").empty());
  CHECK(split_on_space(" \u00A0\n").empty());
  CHECK(split_on_space(" a\u3000bc\t d ") == std::vector<std::string>{"a", "bc", "d"});
}

TEST_CASE("split_characters") {
  CHECK(split_characters("").empty());
  CHECK(split_characters("a \u00DF\u4E2D") ==
        std::vector<std::string>{"a", " ", "\u00DF", "\u4E2D"});
  CHECK_THROWS_AS(split_characters("a\xFF"), ValueError);
}
