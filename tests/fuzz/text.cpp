// Files of lines. The first byte chooses the reader: pairs of sentences under each way with bad
// lines, CoNLL-U or word vectors; the rest is the file.
#include <unroll/text/corpus.h>

#include <algorithm>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/tests/fuzz/memory_file.h>
#include <unroll/text/conllu.h>
#include <unroll/text/utf8.h>
#include <unroll/text/word_vectors.h>

using namespace unroll;
using namespace unroll::text;

namespace {

bool is_side(std::string_view side) {
  return !split_on_space(side).empty() && side.find_first_of("\t\n") == side.npos &&
         !find_invalid_utf8(side);
}

void read_pairs(const std::filesystem::path& path, BadLine bad_line) {
  const Corpus corpus = read_corpus(path, {.bad_line = bad_line, .max_faults = 3});
  const CorpusReport& report = corpus.report;
  fuzz::expect(report.read == report.kept + report.dropped, "lines are kept or dropped");
  fuzz::expect(report.kept == corpus.pairs.size(), "kept lines are pairs");
  fuzz::expect(report.faults.size() >= std::min<std::size_t>(report.dropped, 3),
               "dropped lines are reported");
  for (const auto& [source, target] : corpus.pairs) {
    fuzz::expect(is_side(source) && is_side(target), "both sides are text of one column");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const fuzz::MemoryFile file(std::as_bytes(std::span(data, size).subspan(1)));
  static const Vocabulary vocabulary({"a", "b", "cat", "\u00E9"});
  try {
    switch (data[0] % 5) {
      case 0: read_pairs(file.path(), BadLine::skip); break;
      case 1: read_pairs(file.path(), BadLine::replace); break;
      case 2: read_pairs(file.path(), BadLine::stop); break;
      case 3:
        for (const TaggedSentence& sentence : read_conllu(file.path())) {
          fuzz::expect(sentence.words.size() == sentence.tags.size(), "each word has a tag");
        }
        break;
      default: {
        const WordVectors vectors = read_word_vectors(
            file.path(), vocabulary, {.width = data[0] % 3, .spaces_in_words = data[0] > 99});
        fuzz::expect(vectors.rows.shape()[0] == static_cast<std::int64_t>(vectors.ids.size()),
                     "each id has a row");
      }
    }
  } catch (const IoError&) {
  } catch (const ValueError&) {  // spaces_in_words without a width
    fuzz::expect(data[0] % 5 == 4, "a file that is wrong is an IoError");
  }
  return 0;
}
