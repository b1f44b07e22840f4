// Recordings of a machine's sensors: made, and read from files.
#include <unroll/examples/tasks/parts/recordings.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/text/line_reader.h>

namespace unroll::tasks {

namespace {

/// Load and noise vary from machine to machine; the fault begins somewhere in the first half.
/// Slipping: the speed dips now and then while the current stays. Jamming: the current climbs, the
/// speed sinks. Both can be faint.
Recording record(Random& random) {
  Recording result;
  result.verdict = static_cast<std::int32_t>(random.below(kVerdicts.size()));
  const int steps = 30 + static_cast<int>(random.below(91));
  const int onset = static_cast<int>(random.below(static_cast<std::uint32_t>(steps / 2)));
  const double load = 0.6 + 0.8 * random.uniform(), strength = 0.5 + random.uniform();
  const double phase = 2 * std::numbers::pi * random.uniform(),
               noise = 0.05 + 0.1 * random.uniform();
  int dip = 0;
  for (int t = 0; t < steps; ++t) {
    const bool fault = t >= onset && result.verdict != 0;
    const double swing = 0.2 * std::sin(phase + 0.3 * t);
    double current = load + swing, speed = 1 - 0.3 * (load + swing - 1), vibration = 0.1;
    if (fault && result.verdict == 1) {
      if (dip == 0 && random.below(6) == 0) dip = 2;
      if (dip > 0) {
        speed -= 0.45 * strength;
        vibration += 0.2 * strength;
        --dip;
      }
    } else if (fault) {
      const double progress = static_cast<double>(t - onset) / (steps - onset);
      current += 0.8 * strength * progress;
      speed -= 0.4 * strength * progress;
      vibration += 0.1 * strength * progress;
    }
    Reading reading{};
    double values[] = {current, speed, vibration};
    for (std::size_t k = 0; k < kSensors; ++k) {
      reading[k] = static_cast<float>(values[k] + noise * random.normal());
    }
    result.readings.push_back(reading);
  }
  return result;
}

}  // namespace

std::vector<Recording> make_recordings(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Recording> result(count);
  std::ranges::generate(result, [&] { return record(random); });
  return result;
}

Reading reading_of(const std::string& line) {
  Reading reading{};
  std::ranges::copy(numbers_of(line, kSensors), reading.begin());
  return reading;
}

std::vector<Recording> read_recordings(const std::string& path) {
  text::LineReader lines(path);
  std::vector<Recording> result;
  bool inside = false;
  std::string line;
  for (bool more = true; more;) {
    more = lines.next(line);
    if (!more) line.clear();  // the end of the file ends a recording, too
    try {
      if (line.empty()) {
        if (inside && result.back().readings.empty()) {
          throw ValueError("got a recording without readings; expected one at least");
        }
        inside = false;
      } else if (inside) {
        result.back().readings.push_back(reading_of(line));
      } else {
        const auto verdict = std::ranges::find(kVerdicts, line) - kVerdicts.begin();
        if (verdict == kVerdicts.size()) {
          throw ValueError(
              fmt::format("got the verdict \"{}\"; expected {}", line, fmt::join(kVerdicts, ", ")));
        }
        result.push_back({{}, static_cast<std::int32_t>(verdict)});
        inside = true;
      }
    } catch (const ValueError& e) {
      throw IoError(fmt::format("{}:{}: {}", path, lines.line_number(), e.what()));
    }
  }
  return result;
}

}  // namespace unroll::tasks
