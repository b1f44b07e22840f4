// Lines of standard input, and numbers.
#include <unroll/examples/tasks/parts/lines.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iostream>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>

namespace unroll::tasks {

namespace {

constexpr std::string_view kBetween = " \t\r";

/// Takes white space off the front.
std::string_view without_space(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
  return text;
}

void expect_text(const std::string& line) {
  constexpr std::size_t kMostBytes = 4096;
  if (line.size() > kMostBytes) {
    throw ValueError(fmt::format("got {} bytes; expected at most {}", line.size(), kMostBytes));
  }
  if (const auto bad = text::find_invalid_utf8(line)) {
    throw ValueError(fmt::format("byte {} is not UTF-8; expected text in UTF-8", *bad + 1));
  }
}

}  // namespace

void answer_lines(const std::function<std::string(const std::string& line)>& answer) {
  std::size_t number = 0, wrong = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    std::string answered;
    try {
      expect_text(line);
      answered = answer(line);
    } catch (const Error& e) {
      ++wrong;
      fmt::print(stderr, "line {}: {}\n", number, e.what());
    }
    fmt::print("{}\n", answered);
    std::fflush(stdout);
  }
  if (wrong > 0) throw ValueError(fmt::format("{} of {} lines had no answer", wrong, number));
}

void answer_lines(const std::string& expected,
                  const std::function<std::string(const std::string& line)>& answer) {
  answer_lines([&](const std::string& line) {
    if (text::split_on_space(line).empty()) {
      throw ValueError("got an empty line; expected " + expected);
    }
    return answer(line);
  });
}

std::vector<float> numbers_of(std::string_view text) {
  std::vector<float> numbers;
  for (text = without_space(text); !text.empty();) {
    const std::string_view word = text.substr(0, text.find_first_of(" \t\r,"));
    float value = 0;
    const char* const end = word.data() + word.size();
    const auto read = std::from_chars(word.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value)) {
      throw ValueError(fmt::format("got \"{}\"; expected a number", word));
    }
    numbers.push_back(value);
    text = without_space(text.substr(word.size()));
    if (text.starts_with(',')) text = without_space(text.substr(1));
  }
  return numbers;
}

std::vector<float> numbers_of(std::string_view text, std::size_t count) {
  std::vector<float> numbers = numbers_of(text);
  if (numbers.size() != count) {
    throw ValueError(fmt::format("got {} numbers; expected {}", numbers.size(), count));
  }
  return numbers;
}

}  // namespace unroll::tasks
