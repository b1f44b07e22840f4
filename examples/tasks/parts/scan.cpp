// The files of SCAN.
#include <unroll/examples/tasks/parts/scan.h>

#include <unroll/autograd/error.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace unroll::tasks {

std::vector<text::SentencePair> read_scan(const std::string& path) {
  const std::string in = "IN: ", out = " OUT: ";
  text::LineReader lines(path);
  std::vector<text::SentencePair> pairs;
  for (std::string line; lines.next(line);) {
    const std::size_t middle = line.find(out);
    const bool good = line.starts_with(in) && middle != std::string::npos && middle > in.size() &&
                      middle + out.size() < line.size();
    if (!good || text::find_invalid_utf8(line)) {
      throw IoError(path + ":" + std::to_string(lines.line_number()) +
                    ": expected \"IN: words OUT: actions\" in UTF-8");
    }
    pairs.push_back({line.substr(in.size(), middle - in.size()), line.substr(middle + out.size())});
  }
  return pairs;
}

}  // namespace unroll::tasks
