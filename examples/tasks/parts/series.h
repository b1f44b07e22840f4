// Series of numbers for the program `forecast`: reading, splitting, standardising, windows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::tasks {

/// Channels side by side, values[channel][row].
struct Series {
  std::vector<std::vector<float>> values;

  std::size_t channels() const { return values.size(); }
  std::size_t rows() const { return values.empty() ? 0 : values.front().size(); }
};

/// A CSV file, plain or .gz, with a header; its first column is a date or time and is left out.
/// Throws IoError, naming the line, for a row of another width or a field that is no number, and
/// for a file without rows or channels.
Series read_csv(const std::string& path);

/// The Mackey-Glass equation (1977), dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x, by
/// Runge-Kutta steps of 0.1 from x = 1.2, one value per unit of time, the first 1,000 left out.
Series mackey_glass(std::size_t rows, int tau);

/// Mean and standard deviation of each channel.
struct Scale {
  std::vector<float> mean, deviation;
};

Scale scale_of(const Series& series, std::size_t rows);  ///< of the first `rows` rows
Series standardised(Series series, const Scale& scale);

/// Windows of `input` values and the `horizon` values after them, of one channel each. A window is
/// numbered start * channels + channel.
struct Windows {
  Series series;
  std::size_t input, horizon;

  /// The windows whose values to forecast all lie in rows [begin, end), every `stride`-th start.
  std::vector<std::size_t> within(std::size_t begin, std::size_t end, std::size_t stride = 1) const;
  Tensor inputs(std::span<const std::size_t> windows) const;        ///< [n, input]
  Tensor targets(std::span<const std::size_t> windows) const;       ///< [n, horizon]
  Tensor last_targets(std::span<const std::size_t> windows) const;  ///< [n]
  Tensor channels(std::span<const std::size_t> windows) const;      ///< int32 [n]

 private:
  Tensor values(std::span<const std::size_t> windows, std::size_t from, std::size_t count) const;
};

}  // namespace unroll::tasks
