// Pairs of sentences from `source<TAB>target` files, with a report of the lines that are not such.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <unroll/text/line_reader.h>

namespace unroll::text {

struct SentencePair {
  std::string source;
  std::string target;
  bool operator==(const SentencePair&) const = default;
};

enum class LineFault {
  invalid_utf8,
  column_count,  // not exactly one tab
  empty_side,    // a side that is empty or only white space
};

/// What to do with a bad line: leave it out, throw, or repair invalid UTF-8 with U+FFFD (a line
/// with another fault is left out).
enum class BadLine { skip, stop, replace };

struct CorpusFault {
  std::size_t line = 0;  // from 1
  LineFault kind = LineFault::invalid_utf8;
  std::optional<std::size_t>
      byte;               // invalid_utf8: offset of the first bad byte in the line, from 0
  bool replaced = false;  // repaired; another fault may still drop the line
  std::string message;    // "file:line: ..."
};

struct CorpusReport {
  std::size_t read = 0;  // lines; read == kept + dropped
  std::size_t kept = 0;
  std::size_t dropped = 0;
  std::size_t replaced = 0;         // lines in which invalid UTF-8 was repaired
  std::vector<CorpusFault> faults;  // the first CorpusOptions::max_faults of them
};

struct CorpusOptions {
  BadLine bad_line = BadLine::skip;
  std::size_t max_faults = 20;
};

/// Gives the pairs of a file one at a time, holding one line in memory. A byte-order mark at the
/// start of the file is passed over.
class CorpusReader {
 public:
  /// Throws IoError as LineReader does.
  explicit CorpusReader(std::filesystem::path path, CorpusOptions options = {});

  /// The next good pair, or nothing at the end. Throws IoError for a failed read and, under
  /// BadLine::stop, at a bad line.
  std::optional<SentencePair> next();

  /// What was read up to now.
  const CorpusReport& report() const { return report_; }

 private:
  std::optional<SentencePair> parse(std::string& line);
  void record(LineFault kind, std::optional<std::size_t> byte, bool replaced,
              const std::string& what);

  LineReader lines_;
  CorpusOptions options_;
  CorpusReport report_;
};

struct Corpus {
  std::vector<SentencePair> pairs;
  CorpusReport report;
};

/// All pairs of a file. Throws as CorpusReader does.
Corpus read_corpus(const std::filesystem::path& path, const CorpusOptions& options = {});

}  // namespace unroll::text
