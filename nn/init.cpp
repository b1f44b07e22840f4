// Initialisers, after torch.nn.init.
#include <unroll/nn/init.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>

namespace unroll::nn::init {

namespace {

/// A function with what it remembers on the heap.
template <class F>
Initializer held(F f) {
  return blame_memory("init", [&] { return Initializer(std::move(f)); });
}

Initializer symmetric_uniform(std::function<double(const Shape&)> bound_of) {
  return held([bound_of = std::move(bound_of)](const Shape& shape, std::uint64_t seed) {
    const double bound = bound_of(shape);
    return random_uniform(shape, seed, -bound, bound);
  });
}

Initializer centred_normal(std::function<double(const Shape&)> deviation_of) {
  return held([deviation_of = std::move(deviation_of)](const Shape& shape, std::uint64_t seed) {
    return random_normal(shape, seed, 0, deviation_of(shape));
  });
}

/// The deviation of an element; a weight without inputs has no elements to draw.
double xavier_deviation(const Shape& shape, double gain) {
  const Fans fans = fans_of(shape);
  return gain * std::sqrt(2.0 / static_cast<double>(std::max<std::int64_t>(fans.in + fans.out, 1)));
}

double kaiming_deviation(const Shape& shape, const KaimingOptions& options) {
  const Fans fans = fans_of(shape);
  const std::int64_t fan = options.mode == FanMode::fan_in ? fans.in : fans.out;
  return gain(options.nonlinearity, options.slope) /
         std::sqrt(static_cast<double>(std::max<std::int64_t>(fan, 1)));
}

/// Makes the vectors v_0, v_1, ... of length n, stored one after the other, orthonormal. Modified
/// Gram-Schmidt with every projection done twice, which leaves them orthogonal to rounding.
void orthonormalize(std::vector<double>& v, std::size_t count, std::size_t n) {
  for (std::size_t k = 0; k < count; ++k) {
    double* const own = v.data() + k * n;
    for (std::size_t j = 0; j < 2 * k; ++j) {
      const double* const other = v.data() + j % k * n;
      double projection = 0;
      for (std::size_t i = 0; i < n; ++i) projection += own[i] * other[i];
      for (std::size_t i = 0; i < n; ++i) own[i] -= projection * other[i];
    }
    double square = 0;
    for (std::size_t i = 0; i < n; ++i) square += own[i] * own[i];
    const double length = std::sqrt(square);
    for (std::size_t i = 0; i < n; ++i) own[i] /= length;
  }
}

}  // namespace

Initializer constant(double value) {
  return held([value](const Shape& shape, std::uint64_t) {
    return Tensor::full(shape, value, Dtype::float64);
  });
}
Initializer zeros() { return constant(0); }
Initializer ones() { return constant(1); }

Initializer uniform(double low, double high) {
  return held([low, high](const Shape& shape, std::uint64_t seed) {
    return random_uniform(shape, seed, low, high);
  });
}

Initializer normal(double mean, double deviation) {
  return held([mean, deviation](const Shape& shape, std::uint64_t seed) {
    return random_normal(shape, seed, mean, deviation);
  });
}

double gain(Nonlinearity nonlinearity, double slope) {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid: return 1;
    case Nonlinearity::tanh: return 5.0 / 3;
    case Nonlinearity::relu: return std::sqrt(2.0);
    case Nonlinearity::leaky_relu: return std::sqrt(2 / (1 + slope * slope));
    case Nonlinearity::selu: return 0.75;
  }
  return 1;
}

Fans fans_of(const Shape& shape) {
  if (shape.rank() < 2) {
    throw ShapeError(
        fmt::format("fans_of: got shape {}; expected [out, in, ...]", to_string(shape)));
  }
  const std::int64_t field = shape.product(2, shape.rank());
  return {shape[1] * field, shape[0] * field};
}

Initializer xavier_uniform(double gain) {
  return symmetric_uniform(
      [gain](const Shape& shape) { return std::sqrt(3.0) * xavier_deviation(shape, gain); });
}

Initializer xavier_normal(double gain) {
  return centred_normal([gain](const Shape& shape) { return xavier_deviation(shape, gain); });
}

Initializer kaiming_uniform(const KaimingOptions& options) {
  return symmetric_uniform(
      [options](const Shape& shape) { return std::sqrt(3.0) * kaiming_deviation(shape, options); });
}

Initializer kaiming_normal(const KaimingOptions& options) {
  return centred_normal(
      [options](const Shape& shape) { return kaiming_deviation(shape, options); });
}

Initializer orthogonal(double gain) {
  return held([gain](const Shape& shape, std::uint64_t seed) {
    if (shape.rank() < 2) {
      throw ShapeError(
          fmt::format("orthogonal: got shape {}; expected at least two axes", to_string(shape)));
    }
    const auto rows = static_cast<std::size_t>(shape[0]);
    const auto columns = static_cast<std::size_t>(shape.product(1, shape.rank()));
    const std::size_t count = std::min(rows, columns), n = std::max(rows, columns);
    const Tensor drawn =
        random_normal(Shape{static_cast<std::int64_t>(count), static_cast<std::int64_t>(n)}, seed);
    std::vector<double> vectors(drawn.data<double>().begin(), drawn.data<double>().end());
    orthonormalize(vectors, count, n);
    Tensor result = Tensor::uninitialized(shape, Dtype::float64);
    const auto out = result.mutable_data<double>();
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) {
        out[r * columns + c] = gain * (rows <= columns ? vectors[r * n + c] : vectors[c * n + r]);
      }
    }
    return result;
  });
}

Initializer forget_bias(double value, Initializer base) {
  return held([value, base = std::move(base)](const Shape& shape, std::uint64_t seed) {
    if (shape.rank() != 1 || shape[0] % 4 != 0) {
      throw ShapeError(
          fmt::format("forget_bias: got shape {}; expected [4 hidden]", to_string(shape)));
    }
    Tensor result = base(shape, seed).to(Dtype::float64);
    const auto quarter = static_cast<std::size_t>(shape[0] / 4);
    std::ranges::fill(result.mutable_data<double>().subspan(quarter, quarter), value);
    return result;
  });
}

Initializer from(Tensor value) {
  return held([value = std::move(value)](const Shape& shape, std::uint64_t) {
    if (value.shape() != shape) {
      throw ShapeError(
          fmt::format("from: got a value of shape {} for a parameter of shape {}; "
                      "expected the same",
                      to_string(value.shape()), to_string(shape)));
    }
    return value;
  });
}

Initializer with_rows(Initializer base, std::vector<std::int32_t> ids, Tensor rows) {
  return held([base = std::move(base), ids = std::move(ids), rows = std::move(rows)](
                  const Shape& shape, std::uint64_t seed) {
    const auto count = static_cast<std::int64_t>(ids.size());
    if (shape.rank() == 0 || rows.shape() != shape.with(0, count)) {
      throw ShapeError(fmt::format("with_rows: got {} ids and rows {} for a parameter of shape {}",
                                   count, to_string(rows.shape()), to_string(shape)));
    }
    Tensor result = base(shape, seed).to(Dtype::float64);
    const auto out = result.mutable_data<double>();
    const Tensor given = rows.to(Dtype::float64);
    const auto in = given.data<double>();
    const std::size_t width = ids.empty() ? 0 : in.size() / ids.size();
    for (std::size_t k = 0; k < ids.size(); ++k) {
      if (ids[k] < 0 || ids[k] >= shape[0]) {
        throw ValueError(
            fmt::format("with_rows: got id {}; expected 0 to {}", ids[k], shape[0] - 1));
      }
      std::ranges::copy(in.subspan(k * width, width),
                        out.subspan(static_cast<std::size_t>(ids[k]) * width, width).begin());
    }
    return result;
  });
}

}  // namespace unroll::nn::init
