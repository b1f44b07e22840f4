// Progress: when to draw, and what.
#include <unroll/train/progress.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace unroll::train {

namespace {
constexpr double kRedrawSeconds = 0.2, kPlainLineSeconds = 10, kFirstEstimateSeconds = 4;
constexpr int kBarWidth = 24;
}  // namespace

std::string clock_time(double seconds) {
  const auto total = std::llround(std::max(0.0, seconds));
  if (total >= 3600) {
    return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  }
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

Progress::Progress(std::string label, std::FILE* stream)
    : label_(std::move(label)), stream_(stream), terminal_(isatty(fileno(stream)) == 1) {}

Progress::~Progress() { finish(); }

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

std::string Progress::line(double fraction, std::string_view details) const {
  const double left = fraction > 0 ? seconds() * (1 - fraction) / fraction : 0;
  // The first steps, with their cold caches, say nothing about the rest.
  const bool known = fraction > 0 && seconds() > kFirstEstimateSeconds;
  const std::string remaining = known ? clock_time(left) + " left" : "";
  if (!terminal_) {
    return fmt::format("{} {:3.0f} %  {}  {}", label_, 100 * fraction, details, remaining);
  }
  const int filled = static_cast<int>(fraction * kBarWidth);
  return fmt::format("{} [{:=<{}}{: <{}}] {:3.0f} %  {}  {}", label_, "", filled, "",
                     kBarWidth - filled, 100 * fraction, details, remaining);
}

void Progress::update(double fraction, std::string_view details) {
  const double now = seconds();
  if (now - last_drawn_ < (terminal_ ? kRedrawSeconds : kPlainLineSeconds)) return;
  last_drawn_ = now;
  const std::string text = line(std::clamp(fraction, 0.0, 1.0), details);
  if (terminal_) {
    fmt::print(stream_, "\r{}\x1b[K", text);  // CSI K clears the rest of a longer old line
    open_ = true;
  } else {
    fmt::print(stream_, "{}\n", text);
  }
  std::fflush(stream_);
}

void Progress::finish() {
  if (open_) fmt::print(stream_, "\n");
  open_ = false;
}

}  // namespace unroll::train
