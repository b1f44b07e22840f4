// CoNLL-U, the format of Universal Dependencies (universaldependencies.org/format.html).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace unroll::text {

/// Words of a sentence with their tags, side by side.
struct TaggedSentence {
  std::vector<std::string> words;
  std::vector<std::string> tags;
};

enum class TagColumn { upos = 3, xpos = 4 };

/// The sentences of a file, plain or gzip. Rows whose id is a range (a multiword token) or broken
/// (an empty node) are passed over, as are comments and a byte-order mark in front. Throws IoError,
/// naming file and line, for a row without ten columns, an id that is none of these, an empty form
/// or text that is not UTF-8.
std::vector<TaggedSentence> read_conllu(const std::filesystem::path& path,
                                        TagColumn column = TagColumn::upos);

}  // namespace unroll::text
