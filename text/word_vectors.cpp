// One pass over the lines; only those of the vocabulary are converted.
#include <unroll/text/word_vectors.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace unroll::text {

namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

struct Header {
  std::int64_t words = 0, width = 0;
};

/// "words width", or nothing if the line is something else.
std::optional<Header> header_of(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto words = whole_number(line.substr(0, space));
  const auto width = whole_number(line.substr(space + 1));
  if (!words || !width) return std::nullopt;
  return Header{*words, *width};
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const Vocabulary& vocabulary,
         const WordVectorOptions& options)
      : lines_(path), vocabulary_(vocabulary), options_(options), width_(options.width) {}

  WordVectors read() {
    bool more = lines_.next(line_);
    if (more && line_.starts_with(kByteOrderMark)) {
      mark_ = kByteOrderMark.size();
      line_.erase(0, mark_);
    }
    if (more) {
      if (line_.ends_with(' ')) line_.pop_back();
      header_ = header_of(line_);
      if (header_) {
        expect_width(header_->width);
        width_ = header_->width;
        mark_ = 0;
        more = lines_.next(line_);
      } else if (width_ == 0) {
        if (options_.spaces_in_words) {
          throw ValueError(
              "read_word_vectors: spaces_in_words without a width or a header; "
              "expected one of them");
        }
        width_ = std::ranges::count(line_, ' ');
      }
    }
    found_before_.resize(vocabulary_.size());
    for (; more; more = lines_.next(line_), mark_ = 0) take_line();
    if (header_ && result_.words != header_->words) {
      fail(fmt::format("the file has {} words; expected {} by its header", result_.words,
                       header_->words));
    }
    result_.rows = Tensor({static_cast<std::int64_t>(result_.ids.size()), width_}, numbers_);
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw IoError(fmt::format("read_word_vectors: {}:{}: {}", lines_.path().string(),
                              lines_.line_number(), what));
  }
  [[noreturn]] void fail_at(std::size_t byte, const std::string& what) const {
    fail(fmt::format("byte {}: {}", mark_ + byte, what));
  }
  void expect_width(std::int64_t width) const {
    if (width < 1)
      fail(fmt::format("the header announces {} numbers; expected one or more", width));
    if (width_ != 0 && width != width_) {
      fail(fmt::format("the header announces {} numbers; expected {}", width, width_));
    }
  }

  void take_line() {
    if (line_.ends_with(' ')) line_.pop_back();
    const std::size_t end = end_of_word();
    const std::string_view word = std::string_view(line_).substr(0, end);
    if (word.empty()) fail_at(0, "the word is empty");
    if (const auto bad = find_invalid_utf8(word)) fail_at(*bad, "ill-formed UTF-8");
    ++result_.words;
    const std::int32_t id = vocabulary_.id(word);
    if (id < kFirstToken) return;
    if (found_before_[static_cast<std::size_t>(id)]) {
      result_.duplicates.emplace_back(word);
      return;
    }
    take_numbers(end);
    found_before_[static_cast<std::size_t>(id)] = true;
    result_.ids.push_back(id);
  }

  /// Where the word of a line ends, which has one space in front of each number.
  std::size_t end_of_word() const {
    const auto count = std::ranges::count(line_, ' ');
    if (count < width_ || width_ == 0 || (count > width_ && !options_.spaces_in_words)) {
      fail_at(line_.size(), fmt::format("the line ends with {} numbers; expected {}", count,
                                        width_ == 0 ? "one or more" : std::to_string(width_)));
    }
    std::size_t end = line_.find(' ');
    for (auto left = count; left > width_; --left) end = line_.find(' ', end + 1);
    return end;
  }

  void take_numbers(std::size_t begin) {
    const char* const first = line_.data();
    const char* const last = first + line_.size();
    for (const char* at = first + begin; at != last;) {
      ++at;  // the space
      double value = 0;
      const auto [end, error] = std::from_chars(at, last, value);
      if (error != std::errc() || (end != last && *end != ' ') ||
          !std::isfinite(static_cast<float>(value))) {
        const std::string text(at, std::find(at, last, ' '));
        fail_at(static_cast<std::size_t>(at - first),
                fmt::format("got \"{}\"; expected a finite number", text));
      }
      numbers_.push_back(static_cast<float>(value));
      at = end;
    }
  }

  LineReader lines_;
  const Vocabulary& vocabulary_;
  const WordVectorOptions& options_;
  std::int64_t width_;
  std::optional<Header> header_;
  std::string line_;
  std::size_t mark_ = 0;  ///< bytes in front of line_
  std::vector<bool> found_before_;
  std::vector<float> numbers_;
  WordVectors result_;
};

}  // namespace

WordVectors read_word_vectors(const std::filesystem::path& path, const Vocabulary& vocabulary,
                              const WordVectorOptions& options) {
  if (options.width < 0) {
    throw ValueError(
        fmt::format("read_word_vectors: got width {}; expected 0 or more", options.width));
  }
  return Reader(path, vocabulary, options).read();
}

}  // namespace unroll::text
