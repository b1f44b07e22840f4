// Lines of a text file, plain or compressed with gzip, read in pieces of fixed size.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace unroll::text {

class LineReader {
 public:
  /// Opens `path`; gzip content is recognised by its first bytes. Throws IoError when the file
  /// cannot be opened or is named .gz and does not hold gzip content.
  explicit LineReader(std::filesystem::path path);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  /// Puts the next line into `line`, without its "\n" and without one "\r" before that, and returns
  /// true; returns false at the end. Nothing but "\n" ends a line; what follows the last "\n" is a
  /// line when it is not empty. Throws IoError for a failed read or damaged or cut gzip content.
  bool next(std::string& line);

  /// The number of the line that next() gave last, counted from 1; 0 before the first.
  std::size_t line_number() const;

  const std::filesystem::path& path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace unroll::text
