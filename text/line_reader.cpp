// The only file that sees zlib.
#include <unroll/text/line_reader.h>

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>

namespace unroll::text {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw IoError("LineReader: " + path.string() + ": " + what +
                "; expected a readable text or gzip file");
}

std::string system_message(int code) { return std::generic_category().message(code); }

}  // namespace

struct LineReader::State {
  explicit State(std::filesystem::path file_path) : path(std::move(file_path)) {
    errno = 0;
    file = gzopen(path.c_str(), "rb");
    if (file == nullptr) fail(path, errno != 0 ? system_message(errno) : "out of memory");
  }
  ~State() { gzclose_r(file); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Refills the buffer; returns false at the end of the file.
  bool fill() {
    const int count = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const char* message = gzerror(file, &code);
    if (count < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      fail(path, code == Z_ERRNO ? system_message(errno) : message);
    }
    begin = 0;
    end = static_cast<std::size_t>(count);
    return end > 0;
  }

  std::filesystem::path path;
  gzFile file = nullptr;
  std::vector<char> buffer = std::vector<char>(kBufferBytes);
  std::size_t begin = 0;  // the unread bytes are buffer[begin, end)
  std::size_t end = 0;
  std::size_t line_number = 0;
};

LineReader::LineReader(std::filesystem::path path)
    : state_(std::make_unique<State>(std::move(path))) {
  state_->fill();
  if (state_->path.extension() == ".gz" && gzdirect(state_->file) != 0) {
    fail(state_->path, "named .gz without gzip content");
  }
}

LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

bool LineReader::next(std::string& line) {
  State& s = *state_;
  line.clear();
  while (s.begin < s.end || s.fill()) {
    const char* first = s.buffer.data() + s.begin;
    const auto* newline = static_cast<const char*>(std::memchr(first, '\n', s.end - s.begin));
    if (newline != nullptr) {
      line.append(first, newline);
      s.begin += static_cast<std::size_t>(newline - first) + 1;
      ++s.line_number;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return true;
    }
    line.append(first, s.end - s.begin);
    s.begin = s.end;
  }
  if (line.empty()) return false;
  ++s.line_number;
  if (line.back() == '\r') line.pop_back();
  return true;
}

std::size_t LineReader::line_number() const { return state_->line_number; }

const std::filesystem::path& LineReader::path() const { return state_->path; }

}  // namespace unroll::text
