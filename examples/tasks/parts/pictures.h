// Vectors and sentences that describe them, for the program `captions`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace unroll::tasks {

struct Picture {
  std::vector<float> features;
  std::string caption;  ///< words with spaces between
};

/// Two things with shape, size, colour and place, or one, seen through a fixed random projection
/// with noise, as a vision network would see them.
std::vector<Picture> make_pictures(std::size_t count, std::uint64_t seed);

/// Lines of numbers<TAB>caption. Throws IoError, naming the file, for a line that is no such or has
/// another number of numbers.
std::vector<Picture> read_pictures(const std::string& path);

}  // namespace unroll::tasks
