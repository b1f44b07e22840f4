// Tables of places and the sum.
#include <unroll/nn/positional_encoding.h>

#include <fmt/format.h>

#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

namespace {

/// x plus the places [T, width], through dropout.
Variable placed(const Variable& x, const Variable& places,
                const PositionalEncodingOptions& options) {
  const Shape shape = places.shape();
  return dropout(x + reshape(places, shape.inserted(options.batch_first ? 0 : 1, 1)),
                 options.dropout);
}

}  // namespace

Tensor sinusoidal_positions(std::int64_t steps, std::int64_t width, std::int64_t first,
                            Dtype dtype) {
  Tensor result(Shape{steps, width}, Dtype::float64);
  if (first < 0 || first > std::int64_t{1} << 53) {
    throw ValueError(
        fmt::format("sinusoidal_positions: got the first step {}; expected 0 to 2^53", first));
  }
  if (width == 0) return result.to(dtype);  // however many steps
  auto out = result.mutable_data<double>().begin();
  for (std::int64_t t = first; t < first + steps; ++t) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double power = static_cast<double>(i - i % 2) / static_cast<double>(width);
      const double angle = static_cast<double>(t) / std::pow(10000.0, power);
      *out++ = i % 2 == 0 ? std::sin(angle) : std::cos(angle);
    }
  }
  return result.to(dtype);
}

Variable PositionalEncoding::operator()(const Variable& x, std::int64_t first, Location at) const {
  return recorded(x, at, "PositionalEncoding", [&]() -> Variable {
    const std::int64_t steps = x.shape().extent(options_.batch_first ? 1 : 0);
    const Tensor places = sinusoidal_positions(steps, x.shape().extent(-1), first, x.dtype());
    return placed(x, input_like(x, places), options_);
  });
}

Variable LearnedPositionalEncoding::operator()(const Variable& x, std::int64_t first,
                                               Location at) const {
  return recorded(x, at, "LearnedPositionalEncoding", [&]() -> Variable {
    const std::int64_t steps = x.shape().extent(options_.batch_first ? 1 : 0);
    if (first < 0 || first > weight_.shape()[0] - steps) {
      throw ValueError(fmt::format("got {} steps from {} on; expected steps 0 to {}", steps, first,
                                   weight_.shape()[0] - 1));
    }
    return placed(x, slice(use_like(x, weight_), 0, first, first + steps), options_);
  });
}

}  // namespace unroll::nn
