// Kernels that move elements of any dtype. Internal to ops/.
#pragma once

#include <cstdint>

#include <unroll/autograd/dtype.h>

namespace unroll {

/// Calls f(T{}) with the element type T of `dtype`.
template <class F>
decltype(auto) with_element(Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::float32:
      return f(float{});
    case Dtype::float64:
      return f(double{});
    case Dtype::int32:
      return f(std::int32_t{});
    case Dtype::bool_:
      break;
  }
  return f(bool{});
}

}  // namespace unroll
