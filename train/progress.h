// Progress: one line that says how far a long job is. On a terminal it is redrawn in place; where
// the output is no terminal, a plain line appears every ten seconds.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

namespace unroll::train {

/// "1:02:03" or "4:05".
std::string clock_time(double seconds);

class Progress {
 public:
  /// `label` opens every line. The stream must outlive this object.
  explicit Progress(std::string label, std::FILE* stream = stderr);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `fraction` of the work is done, 0 to 1; `details` is what to show beside the bar. The time
  /// left is extrapolated. Cheap enough to call at every step.
  void update(double fraction, std::string_view details);
  /// Ends the line, once; also called by the destructor.
  void finish();
  /// Seconds since construction.
  double seconds() const;

 private:
  std::string line(double fraction, std::string_view details) const;

  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::FILE* stream_;
  bool terminal_;
  bool open_ = false;  ///< a line without its end is on the terminal
  Clock::time_point start_ = Clock::now();
  double last_drawn_ = -1e9;
};

}  // namespace unroll::train
