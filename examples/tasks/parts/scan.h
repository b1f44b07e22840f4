// The files of SCAN (Lake and Baroni 2018).
#pragma once

#include <string>
#include <vector>

#include <unroll/text/corpus.h>

namespace unroll::tasks {

/// The pairs of a file with lines "IN: words OUT: actions", plain or gzip. Throws IoError, naming
/// the line, for any other.
std::vector<text::SentencePair> read_scan(const std::string& path);

}  // namespace unroll::tasks
