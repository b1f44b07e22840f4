// CoNLL-U: one row per word, an empty line after each sentence.
#include <unroll/text/conllu.h>

#include <algorithm>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace unroll::text {

namespace {

constexpr std::size_t kColumns = 10;

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "3-4" or "3.1".
bool is_passed_over(std::string_view id) {
  const std::size_t cut = id.find_first_of("-.");
  return cut != std::string_view::npos && is_number(id.substr(0, cut)) &&
         is_number(id.substr(cut + 1));
}

}  // namespace

std::vector<TaggedSentence> read_conllu(const std::filesystem::path& path, TagColumn column) {
  LineReader lines(path);
  const auto fail = [&](const std::string& what) {
    throw IoError(path.string() + ":" + std::to_string(lines.line_number()) + ": " + what);
  };
  std::vector<TaggedSentence> sentences;
  TaggedSentence sentence;
  const auto finish = [&] {
    if (!sentence.words.empty()) sentences.push_back(std::move(sentence));
    sentence = {};
  };
  for (std::string line; lines.next(line);) {
    if (const auto bad = find_invalid_utf8(line)) {
      fail("byte " + std::to_string(*bad) + " is not UTF-8");
    }
    if (lines.line_number() == 1 && line.starts_with(kByteOrderMark)) {
      line.erase(0, kByteOrderMark.size());
    }
    if (line.empty()) finish();
    if (line.empty() || line.front() == '#') continue;
    std::vector<std::string_view> row;
    for (std::string_view rest = line;;) {
      const std::size_t tab = rest.find('\t');
      row.push_back(rest.substr(0, tab));
      if (tab == std::string_view::npos) break;
      rest.remove_prefix(tab + 1);
    }
    if (row.size() != kColumns) {
      fail(std::to_string(row.size()) + " columns; expected " + std::to_string(kColumns));
    }
    if (is_passed_over(row[0])) continue;
    if (!is_number(row[0])) fail("id \"" + std::string(row[0]) + "\"; expected a number");
    if (row[1].empty()) fail("an empty form; expected a word");
    sentence.words.emplace_back(row[1]);
    sentence.tags.emplace_back(row[static_cast<std::size_t>(column)]);
  }
  finish();
  return sentences;
}

}  // namespace unroll::text
