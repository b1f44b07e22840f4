#include <unroll/text/corpus.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>

namespace unroll::text {

CorpusReader::CorpusReader(std::filesystem::path path, CorpusOptions options)
    : lines_(std::move(path)), options_(options) {}

std::optional<SentencePair> CorpusReader::next() {
  std::string line;
  while (lines_.next(line)) {
    ++report_.read;
    if (auto pair = parse(line)) {
      ++report_.kept;
      return pair;
    }
    ++report_.dropped;
  }
  return std::nullopt;
}

std::optional<SentencePair> CorpusReader::parse(std::string& line) {
  std::size_t mark = 0;
  if (lines_.line_number() == 1 && line.starts_with(kByteOrderMark)) {
    mark = kByteOrderMark.size();
    line.erase(0, mark);
  }
  if (const auto position = find_invalid_utf8(line)) {
    const bool replace = options_.bad_line == BadLine::replace;
    const std::size_t byte = mark + *position;
    record(LineFault::invalid_utf8, byte, replace, "invalid UTF-8 at byte " + std::to_string(byte));
    if (!replace) return std::nullopt;
    line = replace_invalid_utf8(line);
    ++report_.replaced;
  }
  const auto tabs = std::count(line.begin(), line.end(), '\t');
  if (tabs != 1) {
    record(LineFault::column_count, std::nullopt, false,
           std::to_string(tabs + 1) + (tabs == 0 ? " column" : " columns"));
    return std::nullopt;
  }
  const std::size_t tab = line.find('\t');
  SentencePair pair{line.substr(0, tab), line.substr(tab + 1)};
  const bool source_is_blank = is_blank(pair.source);
  if (source_is_blank || is_blank(pair.target)) {
    record(LineFault::empty_side, std::nullopt, false,
           source_is_blank ? "empty source" : "empty target");
    return std::nullopt;
  }
  return pair;
}

void CorpusReader::record(LineFault kind, std::optional<std::size_t> byte, bool replaced,
                          const std::string& what) {
  const std::size_t line = lines_.line_number();
  const std::string message = lines_.path().string() + ":" + std::to_string(line) + ": " + what;
  if (options_.bad_line == BadLine::stop) {
    ++report_.dropped;
    throw IoError("CorpusReader: " + message + "; expected source<TAB>target in UTF-8");
  }
  if (report_.faults.size() < options_.max_faults) {
    report_.faults.push_back({line, kind, byte, replaced, message});
  }
}

Corpus read_corpus(const std::filesystem::path& path, const CorpusOptions& options) {
  CorpusReader reader(path, options);
  Corpus corpus;
  while (auto pair = reader.next()) corpus.pairs.push_back(std::move(*pair));
  corpus.report = reader.report();
  return corpus;
}

}  // namespace unroll::text
