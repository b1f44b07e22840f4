// Vectors of words from text files, as word2vec, fastText (.vec) and GloVe write them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <unroll/autograd/tensor.h>
#include <unroll/text/vocabulary.h>

namespace unroll::text {

struct WordVectorOptions {
  std::int64_t width = 0;  // numbers per word; 0: as many as in the header or the first line
  // Words may contain spaces, as in GloVe's larger files: all but the last `width` fields of a line
  // are its word. Else such a line has too many numbers. Needs a width or a header.
  bool spaces_in_words = false;
};

/// What a file has for a vocabulary. The initialiser of an embedding is
/// init::with_rows(init::normal(), vectors.ids, vectors.rows).
struct WordVectors {
  std::vector<std::int32_t> ids;        // found, in order of the file
  Tensor rows;                          // float32 [ids.size(), width]: their vectors
  std::int64_t words = 0;               // in the file
  std::vector<std::string> duplicates;  // found again; their first vectors are taken
};

/// The vectors of the words of `vocabulary` (but its special ids) that the file, plain or gzip,
/// has. A line is a word and its numbers, separated by single spaces, and perhaps a space at its
/// end. The first line may be a header, the number of words and their width; a file without one
/// must not begin with a number and one whole number. A byte-order mark at the start is passed
/// over. Throws IoError naming file, line and, from 0, byte: for a word that is empty or ill-formed
/// UTF-8, a wrong number of numbers, one that is not a finite float (only of the words of the
/// vocabulary), or a header that announces another width or number of words. Throws ValueError for
/// options that do not fit.
WordVectors read_word_vectors(const std::filesystem::path& path, const Vocabulary& vocabulary,
                              const WordVectorOptions& options = {});

}  // namespace unroll::text
