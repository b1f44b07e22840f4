// Bytes as a file in memory, for readers that take a path; and the check of a harness.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

namespace unroll::fuzz {

/// Ends the program, so that libFuzzer keeps the input: a law of the library does not hold.
inline void expect(bool law, const char* what) {
  if (law) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : file_(::memfd_create("fuzz", 0)) {
    expect(file_ >= 0, "memfd_create gives a file");
    expect(::write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
           "a file in memory takes its bytes");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace unroll::fuzz
