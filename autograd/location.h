// Location: a line of the user's program, for error messages.
#pragma once

#include <cstdint>
#include <string>

namespace unroll {

/// Taken as `Location at = Location::current()`, it is the line of the call. This is
/// std::source_location with file and line only, and for clang 14, which lacks it.
struct Location {
  const char* file = "";
  std::uint32_t line = 0;

  static constexpr Location current(const char* file = __builtin_FILE(),
                                    std::uint32_t line = __builtin_LINE()) {
    return {file, line};
  }
};

/// "model.cpp:42"
std::string to_string(const Location& where);

}  // namespace unroll
