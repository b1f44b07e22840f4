// The sizes of a tensor's elements.
#include <unroll/optim/finite.h>

#include <cmath>

namespace unroll::optim::detail {

namespace {

template <class T>
Size size_of(const T* values, std::size_t n) {
  if (all_below(values, n, kLargeGradient<T>)) return Size::small;
  return all_below(values, n, std::numeric_limits<T>::infinity()) ? Size::large : Size::not_finite;
}

}  // namespace

Size size_of(const Tensor& tensor, std::size_t begin, std::size_t end) {
  return tensor.dtype() == Dtype::float32
             ? size_of(tensor.data<float>().data() + begin, end - begin)
             : size_of(tensor.data<double>().data() + begin, end - begin);
}

bool became_non_finite(const Tensor& tensor, const Tensor& before) {
  if (size_of(tensor, 0, static_cast<std::size_t>(tensor.size())) != Size::not_finite) return false;
  std::int64_t i = 0;
  while (i < tensor.size() && (std::isfinite(tensor.at(i)) || !std::isfinite(before.at(i)))) ++i;
  return i < tensor.size();
}

}  // namespace unroll::optim::detail
