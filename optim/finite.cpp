// The sizes of a tensor's elements.
#include <unroll/optim/finite.h>

#include <cmath>
#include <span>

namespace unroll::optim::detail {

namespace {

template <class T>
bool became_non_finite(std::span<const T> now, std::span<const T> before) {
  std::size_t i = 0;
  while (i < now.size() && (std::isfinite(now[i]) || !std::isfinite(before[i]))) ++i;
  return i < now.size();
}

}  // namespace

bool is_below(const Tensor& tensor, float limit, double limit64, std::size_t begin,
              std::size_t end) {
  return tensor.dtype() == Dtype::float32
             ? all_below(tensor.data<float>().data() + begin, end - begin, limit)
             : all_below(tensor.data<double>().data() + begin, end - begin, limit64);
}

bool is_below(const Tensor& tensor, float limit, double limit64) {
  return is_below(tensor, limit, limit64, 0, static_cast<std::size_t>(tensor.size()));
}

Size size_of(const Tensor& tensor, std::size_t begin, std::size_t end) {
  if (is_below(tensor, kLargeGradient<float>, kLargeGradient<double>, begin, end)) {
    return Size::small;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return is_below(tensor, kInfinity, kInfinity, begin, end) ? Size::large : Size::not_finite;
}

bool became_non_finite(const Tensor& tensor, const Tensor& before) {
  return tensor.dtype() == Dtype::float32
             ? became_non_finite(tensor.data<float>(), before.data<float>())
             : became_non_finite(tensor.data<double>(), before.data<double>());
}

}  // namespace unroll::optim::detail
