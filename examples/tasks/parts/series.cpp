// Series: CSV, Mackey-Glass, windows.
#include <unroll/examples/tasks/parts/series.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/text/line_reader.h>

namespace unroll::tasks {

namespace {

std::vector<std::string_view> fields(std::string_view line) {
  std::vector<std::string_view> result;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = line.find(',');
    result.push_back(line.substr(0, end));
    if (end != std::string_view::npos) line.remove_prefix(end + 1);
  }
  return result;
}

}  // namespace

Series read_csv(const std::string& path) {
  text::LineReader lines(path);
  std::string line;
  if (!lines.next(line)) throw IoError(path + ": is empty; expected a header");
  Series series;
  const auto header = fields(line);
  series.values.resize(header.size() - 1);
  while (lines.next(line)) {
    const auto row = fields(line);
    if (row.size() != header.size()) {
      throw IoError(fmt::format("{}:{}: {} columns; expected {}", path, lines.line_number(),
                                row.size(), header.size()));
    }
    for (std::size_t c = 1; c < row.size(); ++c) {
      try {
        series.values[c - 1].push_back(numbers_of(row[c], 1)[0]);
      } catch (const ValueError& e) {
        throw IoError(
            fmt::format("{}:{}: column {}: {}", path, lines.line_number(), c + 1, e.what()));
      }
    }
  }
  if (series.rows() == 0) {
    throw IoError(fmt::format("{}: {} columns and {} rows; expected a date and numbers", path,
                              header.size(), lines.line_number() - 1));
  }
  return series;
}

Series mackey_glass(std::size_t rows, int tau) {
  constexpr int kStepsPerUnit = 10;
  constexpr std::size_t kLeftOut = 1000;
  const double step = 1.0 / kStepsPerUnit;
  const std::size_t lag = static_cast<std::size_t>(tau) * kStepsPerUnit;
  std::vector<double> x(lag + 1, 1.2);
  const auto slope = [](double now, double late) {
    return 0.2 * late / (1 + std::pow(late, 10)) - 0.1 * now;
  };
  Series series{{{}}};
  for (std::size_t k = 0; series.rows() < rows; ++k) {
    const double now = x.back(), late = x[k], later = x[k + 1], half = (late + later) / 2;
    const double a = slope(now, late), b = slope(now + step / 2 * a, half);
    const double c = slope(now + step / 2 * b, half), d = slope(now + step * c, later);
    x.push_back(now + step / 6 * (a + 2 * b + 2 * c + d));
    const std::size_t steps = k + 1;
    if (steps % kStepsPerUnit == 0 && steps / kStepsPerUnit > kLeftOut) {
      series.values[0].push_back(static_cast<float>(x.back()));
    }
  }
  return series;
}

Scale scale_of(const Series& series, std::size_t rows) {
  Scale scale;
  for (const auto& channel : series.values) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += channel[i];
    const double mean = sum / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) squares += (channel[i] - mean) * (channel[i] - mean);
    scale.mean.push_back(static_cast<float>(mean));
    const double deviation = std::sqrt(squares / static_cast<double>(rows));
    scale.deviation.push_back(deviation > 0 ? static_cast<float>(deviation) : 1.0F);
  }
  return scale;
}

Series standardised(Series series, const Scale& scale) {
  for (std::size_t c = 0; c < series.channels(); ++c) {
    for (float& value : series.values[c]) value = (value - scale.mean[c]) / scale.deviation[c];
  }
  return series;
}

std::vector<std::size_t> Windows::within(std::size_t begin, std::size_t end,
                                         std::size_t stride) const {
  std::vector<std::size_t> result;
  const std::size_t first = begin > input ? begin - input : 0;
  for (std::size_t start = first; start + input + horizon <= end; start += stride) {
    for (std::size_t c = 0; c < series.channels(); ++c) {
      result.push_back(start * series.channels() + c);
    }
  }
  return result;
}

Tensor Windows::values(std::span<const std::size_t> windows, std::size_t from,
                       std::size_t count) const {
  Tensor result({static_cast<std::int64_t>(windows.size()), static_cast<std::int64_t>(count)},
                Dtype::float32);
  auto out = result.mutable_data<float>().begin();
  for (const std::size_t window : windows) {
    const auto& channel = series.values[window % series.channels()];
    const auto first =
        channel.begin() + static_cast<std::ptrdiff_t>(window / series.channels() + from);
    out = std::copy(first, first + static_cast<std::ptrdiff_t>(count), out);
  }
  return result;
}

Tensor Windows::inputs(std::span<const std::size_t> windows) const {
  return values(windows, 0, input);
}

Tensor Windows::targets(std::span<const std::size_t> windows) const {
  return values(windows, input, horizon);
}

Tensor Windows::last_targets(std::span<const std::size_t> windows) const {
  return values(windows, input + horizon - 1, 1)
      .reshaped({static_cast<std::int64_t>(windows.size())});
}

Tensor Windows::channels(std::span<const std::size_t> windows) const {
  Tensor result({static_cast<std::int64_t>(windows.size())}, Dtype::int32);
  std::ranges::transform(windows, result.mutable_data<std::int32_t>().begin(), [&](std::size_t w) {
    return static_cast<std::int32_t>(w % series.channels());
  });
  return result;
}

}  // namespace unroll::tasks
