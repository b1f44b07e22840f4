// Text that is not what it should be: every byte sequence of one and two bytes and the corners of
// the longer ones, files of all kinds of line ends, columns and marks, lines without end.
#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>
#include <unroll/tests/text/temporary_file.h>
#include <unroll/text/bpe.h>
#include <unroll/text/corpus.h>
#include <unroll/text/tokenizer.h>
#include <unroll/text/utf8.h>

using namespace unroll;
using namespace unroll::text;
using unroll::testing::cases;

namespace {

/// The length of the well-formed sequence at the beginning of `text`; 0: there is none (The Unicode
/// Standard, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> int {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : -1;
  };
  const auto is_in = [&](std::size_t i, int low, int high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const auto trails = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (!is_in(i, 0x80, 0xBF)) return false;
    }
    return true;
  };
  const int first = byte(0);
  if (first <= 0x7F) return 1;
  if (first >= 0xC2 && first <= 0xDF) return trails(1, 2) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const int low = first == 0xE0 ? 0xA0 : 0x80, high = first == 0xED ? 0x9F : 0xBF;
    return is_in(1, low, high) && trails(2, 3) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const int low = first == 0xF0 ? 0x90 : 0x80, high = first == 0xF4 ? 0x8F : 0xBF;
    return is_in(1, low, high) && trails(2, 4) ? 4 : 0;
  }
  return 0;
}

std::optional<std::size_t> first_fault(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

/// All sequences of one and two bytes; those of three and four from the bytes at which rules
/// change.
std::vector<std::string> byte_sequences() {
  std::vector<std::string> all;
  for (int a = 0; a < 256; ++a) {
    all.push_back({static_cast<char>(a)});
    for (int b = 0; b < 256; ++b) all.push_back({static_cast<char>(a), static_cast<char>(b)});
  }
  constexpr std::string_view kCorners =
      "\x41\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF\xF0\xF1\xF3\xF4"
      "\xF5\xFF";
  for (const char a : kCorners) {
    for (const char b : kCorners) {
      for (const char c : kCorners) {
        all.push_back({a, b, c});
        for (const char d : kCorners) all.push_back({a, b, c, d});
      }
    }
  }
  return all;
}

/// What becomes of a file of pairs.
struct Expected {
  std::vector<SentencePair> pairs;
  std::vector<std::tuple<std::size_t, LineFault, std::optional<std::size_t>>> faults;
  std::size_t read = 0;
};

/// The rules of CorpusReader once more, over the whole file.
Expected expected_of(std::string_view bytes, bool replace) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  Expected result;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string line(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    ++result.read;
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t mark = result.read == 1 && line.starts_with(kMark) ? kMark.size() : 0;
    line.erase(0, mark);
    if (const auto fault = first_fault(line)) {
      result.faults.emplace_back(result.read, LineFault::invalid_utf8, mark + *fault);
      if (!replace) continue;
      line = replace_invalid_utf8(line);
    }
    const std::size_t tab = line.find('\t');
    if (tab == line.npos || line.find('\t', tab + 1) != line.npos) {
      result.faults.emplace_back(result.read, LineFault::column_count, std::nullopt);
      continue;
    }
    SentencePair pair{line.substr(0, tab), line.substr(tab + 1)};
    if (split_on_space(pair.source).empty() || split_on_space(pair.target).empty()) {
      result.faults.emplace_back(result.read, LineFault::empty_side, std::nullopt);
      continue;
    }
    result.pairs.push_back(std::move(pair));
  }
  return result;
}

void check_corpus(std::string_view bytes, BadLine bad_line) {
  const TemporaryFile file(bytes);
  const Corpus corpus = read_corpus(file.path(), {.bad_line = bad_line, .max_faults = 100'000});
  const Expected expected = expected_of(bytes, bad_line == BadLine::replace);
  REQUIRE(corpus.pairs == expected.pairs);
  REQUIRE(corpus.report.read == expected.read);
  REQUIRE(corpus.report.kept == expected.pairs.size());
  REQUIRE(corpus.report.kept + corpus.report.dropped == corpus.report.read);
  REQUIRE(corpus.report.faults.size() == expected.faults.size());
  for (std::size_t i = 0; i < expected.faults.size(); ++i) {
    const CorpusFault& fault = corpus.report.faults[i];
    REQUIRE(std::tuple(fault.line, fault.kind, fault.byte) == expected.faults[i]);
    const std::string place = file.path().string() + ":" + std::to_string(fault.line) + ": ";
    REQUIRE(fault.message.starts_with(place));
    if (fault.byte) REQUIRE(contains(fault.message, "byte " + std::to_string(*fault.byte)));
  }
}

}  // namespace

TEST_CASE("every short byte sequence is UTF-8 exactly where the standard says so") {
  int checked = 0, well_formed = 0;
  for (const std::string& bytes : byte_sequences()) {
    const auto fault = first_fault(bytes);
    const std::string repaired = replace_invalid_utf8(bytes);
    bool good = find_invalid_utf8(bytes) == fault && !find_invalid_utf8(repaired);
    if (fault) {
      const std::string message = thrown_message([&] { decode_utf8(bytes); });
      good = good && contains(message, "byte " + std::to_string(*fault));
    } else {
      good = good && repaired == bytes && encode_utf8(decode_utf8(bytes)) == bytes;
      ++well_formed;
    }
    if (!good) FAIL(checked);
    ++checked;
  }
  CHECK(checked == 256 + 65'536 + 24 * 24 * 24 * 25);
  CHECK(well_formed > 128 * 129);
}

TEST_CASE("every tokenizer takes what is UTF-8 and names the byte of what is not") {
  const Bpe bpe(std::vector<Bpe::Merge>{{"\u2581", "a"}, {"\u2581a", "b"}});
  const std::vector<Tokenizer> tokenizers = {
      Tokenizer({.kind = TokenizerKind::words}), Tokenizer({.kind = TokenizerKind::spaces}),
      Tokenizer({.kind = TokenizerKind::characters, .lower_case = true}),
      Tokenizer({.kind = TokenizerKind::bpe}, bpe)};
  const std::vector<std::string> sequences = byte_sequences();
  std::size_t checked = 0;
  // 23 has no factor in common with how the sequences are ordered.
  for (std::size_t i = 0; i < sequences.size(); i += cases(23, 1), ++checked) {
    const std::string text = "ab " + sequences[i] + " cd";
    const auto fault = first_fault(text);
    for (const Tokenizer& tokenizer : tokenizers) {
      std::vector<std::string> tokens;
      const std::string message = thrown_message([&] { tokens = tokenizer.tokenize(text); });
      const bool named =
          fault && contains(message, "byte " + std::to_string(*fault) + "; expected valid UTF-8");
      if (message.empty() == fault.has_value() || (fault && !named)) FAIL(i << ": " << message);
      if (fault) continue;
      const std::string sentence = tokenizer.detokenize(tokens);
      if (tokenizer.detokenize(tokenizer.tokenize(sentence)) != sentence) FAIL(i);
      if (!sentence.starts_with("ab") || !sentence.ends_with("cd")) FAIL(i << ": " << sentence);
    }
  }
  CHECK(checked >= cases<std::size_t>(17'000, 411'392));
}

TEST_CASE("a pair keeps its sides whatever its bytes") {
  std::string bytes;
  std::size_t lines = 0;
  for (const std::string& sequence : byte_sequences()) {
    if (sequence.size() > 2) break;
    bytes += "line " + std::to_string(lines++) + "\t" + sequence + "\r\n";
  }
  check_corpus(bytes, BadLine::skip);
  check_corpus(bytes, BadLine::replace);
  CHECK(lines == 256 + 65'536);
}

TEST_CASE("files of pairs come out as the rules say, whatever they are made of") {
  using namespace std::string_literals;
  const std::vector<std::string> parts = {
      "\t",        "\t",        "\n",     "\n",       "\r\n",         "\r",
      "a",         "two words", "\u00E9", " ",        "\0"s,          "\u2028",
      "\u2029",    "\u0085",    "\u00A0", "\v",       "\f",           "\uFEFF",
      "\xFF",      "\x80",      "\xC3",   "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
      "\U0001F431"};
  std::mt19937 random(6);
  const int files = cases(1'000, 20'000);
  for (int i = 0; i < files; ++i) {
    std::string bytes = random() % 4 == 0 ? "\uFEFF" : "";
    for (std::size_t n = random() % 40; n > 0; --n) bytes += parts[random() % parts.size()];
    INFO(i);
    check_corpus(bytes, BadLine::skip);
    check_corpus(bytes, BadLine::replace);
  }
}

TEST_CASE("faults of pairs are named by line and byte") {
  using namespace std::string_literals;
  struct Case {
    const char* what;
    std::string line;
    std::string message;  // empty: the line is good
  };
  const std::vector<Case> lines = {
      {"no column", "", "1 column"},
      {"one column", "a", "1 column"},
      {"three columns", "a\tb\tc", "3 columns"},
      {"five columns", "a\tb\tc\td\te", "5 columns"},
      {"empty source", "\tb", "empty source"},
      {"empty target", "a\t", "empty target"},
      {"both empty", "\t", "empty source"},
      {"a side of a no-break space", "a\t\u00A0", "empty target"},
      {"a side of a line separator", "\u2028\tb", "empty source"},
      {"overlong slash", "a\tb\xC0\xAF", "invalid UTF-8 at byte 3"},
      {"overlong NUL", "\xE0\x80\x80\tb", "invalid UTF-8 at byte 0"},
      {"a high surrogate", "a\xED\xA0\x80\tb", "invalid UTF-8 at byte 1"},
      {"a pair of surrogates", "a\t\xED\xA0\xBD\xED\xB0\xB1", "invalid UTF-8 at byte 2"},
      {"above U+10FFFF", "a\t\xF4\x90\x80\x80", "invalid UTF-8 at byte 2"},
      {"Latin-1", "caf\xE9\tcoffee", "invalid UTF-8 at byte 3"},
      {"cut within a character", "a\t\xE2\x82", "invalid UTF-8 at byte 2"},
      {"UTF-16", "a\0\t\0\xFF\xFE"s, "invalid UTF-8 at byte 4"},
      {"a mark that is not at the beginning of the file", "\uFEFFa\tb", ""},
      {"NUL", "a\0b\tc\0"s, ""},
      {"a lone CR", "a\rb\tc\rd", ""},
      {"U+2028 and U+0085", "a\u2028b\tc\u0085d", ""},
  };
  std::string bytes = "first\tline\n";
  for (const Case& c : lines) bytes += c.line + "\r\n";
  const TemporaryFile file(bytes);
  CorpusReader reader(file.path(), {.max_faults = 100});
  REQUIRE(reader.next() == SentencePair{"first", "line"});
  std::size_t number = 1, faults = 0;
  for (const auto& [what, line, message] : lines) {
    INFO(what);
    ++number;
    if (message.empty()) {
      const std::size_t tab = line.find('\t');
      CHECK(reader.next() == SentencePair{line.substr(0, tab), line.substr(tab + 1)});
    } else {
      const TemporaryFile one("first\tline\n" + line + "\nlast\tline\n");
      const Corpus corpus = read_corpus(one.path());
      CHECK(corpus.pairs.size() == 2);
      CHECK(corpus.report.faults.at(0).message == one.path().string() + ":2: " + message);
      CHECK(contains(thrown_message([&] { read_corpus(one.path(), {.bad_line = BadLine::stop}); }),
                     one.path().string() + ":2: " + message));
      ++faults;
    }
  }
  CHECK(reader.next() == std::nullopt);
  CHECK(reader.report().faults.size() == faults);
  CHECK(reader.report().read == lines.size() + 1);
}

TEST_CASE("a line of any length is a line") {
  const std::size_t size = cases<std::size_t>(20, 100) << 20;
  const TemporaryFile file("a\tb\n");
  {
    std::ofstream more(file.path(), std::ios::binary | std::ios::app);
    const std::string piece(std::size_t{1} << 20, 'x');
    const auto add = [&](std::string_view end) {
      for (std::size_t n = 0; n < size; n += piece.size()) more << piece;
      more << end;
    };
    add("\n");           // one column
    add("\ttarget\n");   // a pair
    add("\xFF\tb\r\n");  // damaged at its end
    more << "c\td\n";
  }
  const Corpus corpus = read_corpus(file.path());
  REQUIRE(corpus.pairs.size() == 3);
  CHECK(corpus.pairs[1].source.size() == size);
  CHECK(corpus.pairs[1].target == "target");
  CHECK(corpus.pairs[2] == SentencePair{"c", "d"});
  CHECK(corpus.report.read == 5);
  REQUIRE(corpus.report.faults.size() == 2);
  CHECK(corpus.report.faults[0].message == file.path().string() + ":2: 1 column");
  CHECK(corpus.report.faults[1].byte == size);
}
