// The texts of errors that name a place.
#include <unroll/autograd/blame.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace unroll {

std::string to_string(const Location& where) {
  return fmt::format("{}:{}", where.file, where.line);
}

namespace detail {

namespace {

/// Writes the message into any output of fmt's.
template <class Write>
auto write_blamed(const Location& where, std::string_view function, std::string_view message,
                  Write write) {
  std::array<char, 16> line{};
  const auto end = fmt::format_to_n(line.data(), line.size(), ":{}: ", where.line);
  const std::string_view file = where.file, number(line.data(), end.size);
  if (message.starts_with(file) && message.substr(file.size()).starts_with(number)) {
    message.remove_prefix(file.size() + number.size());
  }
  const bool named =
      message.starts_with(function) && message.substr(function.size()).starts_with(": ");
  return write(file, number, named ? "" : function, named ? "" : ": ", message);
}

}  // namespace

std::string blamed(const Location& where, std::string_view function, std::string_view message) {
  return write_blamed(where, function, message,
                      [](const auto&... parts) { return fmt::format("{}{}{}{}{}", parts...); });
}

OutOfMemory out_of_memory(const Location* where, std::string_view function,
                          std::string_view message) {
  static constexpr Location kNowhere;
  static constexpr std::size_t kLongestPath = 200;
  return write_blamed(where != nullptr ? *where : kNowhere, function, message,
                      [&](std::string_view file, std::string_view line, const auto&... parts) {
                        std::array<char, 512> text{};
                        if (where == nullptr) line = "";
                        // Of a long path the end says more, and the message has to have room.
                        file.remove_prefix(file.size() - std::min(file.size(), kLongestPath));
                        const auto end = fmt::format_to_n(text.data(), text.size(), "{}{}{}{}{}",
                                                          file, line, parts...);
                        return OutOfMemory({text.data(), std::min(text.size(), end.size)});
                      });
}

}  // namespace detail

}  // namespace unroll
