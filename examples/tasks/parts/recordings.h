// Recordings of a machine's sensors, for the program `event_stream`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace unroll::tasks {

inline constexpr std::size_t kSensors = 3;  ///< motor current, belt speed, vibration
inline constexpr std::array kVerdicts{"normal", "slipping", "jamming"};
using Reading = std::array<float, kSensors>;

struct Recording {
  std::vector<Reading> readings;
  std::int32_t verdict = 0;
};

/// Of 30 to 120 readings each.
std::vector<Recording> make_recordings(std::size_t count, std::uint64_t seed);

/// A recording is a line with the verdict, and a line of three numbers for each reading; an empty
/// line ends it. Throws IoError, naming file and line, for anything else.
std::vector<Recording> read_recordings(const std::string& path);

/// Throws ValueError unless the line is three numbers.
Reading reading_of(const std::string& line);

}  // namespace unroll::tasks
