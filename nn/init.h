// Initial values of parameters. Each function returns an initialiser for Scope::parameter; names
// and formulas follow torch.nn.init. Values are drawn in float64 and stored in the set's dtype.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/autograd/parameter.h>

namespace unroll::nn::init {

using Initializer = Scope::Initializer;

Initializer zeros();
Initializer ones();
Initializer constant(double value);
/// Uniform in [low, high).
Initializer uniform(double low = 0, double high = 1);
Initializer normal(double mean = 0, double deviation = 1);

/// What follows the layer: decides the gain that keeps the variance of activations.
enum class Nonlinearity : std::uint8_t { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// 1 for linear and sigmoid, 5/3 for tanh, sqrt 2 for relu, sqrt(2 / (1 + slope^2)) for
/// leaky_relu, 3/4 for selu.
double gain(Nonlinearity nonlinearity, double slope = 0.01);

/// How many inputs feed an output and how many outputs an input feeds, for a weight
/// [out, in, ...]: in and out times the extent of the rest.
struct Fans {
  std::int64_t in = 0, out = 0;
};
/// Throws ShapeError for fewer than two axes.
Fans fans_of(const Shape& shape);

/// Uniform in +-gain sqrt(6 / (in + out)) (Glorot and Bengio 2010).
Initializer xavier_uniform(double gain = 1);
/// Normal with deviation gain sqrt(2 / (in + out)).
Initializer xavier_normal(double gain = 1);

enum class FanMode : std::uint8_t { fan_in, fan_out };
struct KaimingOptions {
  double slope = 0;  ///< of leaky_relu
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};
/// Uniform in +-gain sqrt(3 / fan) (He et al. 2015).
Initializer kaiming_uniform(const KaimingOptions& options = {});
/// Normal with deviation gain / sqrt(fan).
Initializer kaiming_normal(const KaimingOptions& options = {});

/// gain times a random matrix with orthonormal rows or columns, whichever are fewer; axes from the
/// second on count as one (Saxe et al. 2013). Throws ShapeError for fewer than two axes.
Initializer orthogonal(double gain = 1);

/// For the bias [4 H] of an LSTM: `base`, with `value` for the forget gate (the second quarter).
/// Throws ShapeError unless the extent is a multiple of 4.
Initializer forget_bias(double value, Initializer base = zeros());

/// A value that is there already. Throws ShapeError for a parameter of another shape.
Initializer from(Tensor value);
/// `base`, with row ids[k] replaced by row k of `rows` [ids.size(), ...]: word vectors, say, where
/// there are some. Throws ShapeError if the rows do not fit, ValueError for an id that is no row.
Initializer with_rows(Initializer base, std::vector<std::int32_t> ids, Tensor rows);

}  // namespace unroll::nn::init
