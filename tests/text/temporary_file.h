// A file with given bytes, removed when the test leaves.
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes, const std::string& extension = ".tsv")
      : path_(std::filesystem::temp_directory_path() /
              ("unroll_text_" + std::to_string(std::random_device{}()) + "_" +
               std::to_string(std::random_device{}()) + extension)) {
    std::ofstream(path_, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};
