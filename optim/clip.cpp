// Clipping of gradients.
#include <unroll/optim/clip.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>

namespace unroll::optim {

namespace {

void expect_limit(std::string_view function, std::string_view argument, double value) {
  if (value >= 0) return;
  throw ValueError(fmt::format("{}: {} is {}; expected a number >= 0", function, argument, value));
}

template <class T>
void limit_to(std::span<T> values, T limit) {
  for (T& value : values) value = std::clamp(value, -limit, limit);
}

}  // namespace

double clip_norm(Gradients& gradients, double max_norm) {
  expect_limit("clip_norm", "max_norm", max_norm);
  const double norm = gradients.norm();
  const double factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1) gradients.scale(factor);
  return norm;
}

void clip_value(Gradients& gradients, double limit) {
  expect_limit("clip_value", "limit", limit);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Gradient* gradient = gradients.find(i);
    if (!gradient) continue;
    if (!gradient->dense) gradient->sparse = coalesced(gradient->sparse);
    Tensor& values = gradient->dense ? *gradient->dense : gradient->sparse.rows;
    if (values.dtype() == Dtype::float32) {
      limit_to(values.mutable_data<float>(), static_cast<float>(limit));
    } else {
      limit_to(values.mutable_data<double>(), limit);
    }
  }
}

}  // namespace unroll::optim
