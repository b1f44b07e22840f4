// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace unroll {

/// float32 is computed in, float64 is the oracle, int32 holds indices, bool_ holds masks.
enum class Dtype : std::int64_t { float32, float64, int32, bool_ };

/// Bytes per element.
constexpr std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
    case Dtype::int32: return 4;
    case Dtype::float64: return 8;
    case Dtype::bool_: return 1;
  }
  return 0;
}

/// "float32", "float64", "int32" or "bool".
constexpr std::string_view name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return "float32";
    case Dtype::float64: return "float64";
    case Dtype::int32: return "int32";
    case Dtype::bool_: return "bool";
  }
  return "?";
}

constexpr bool is_floating(Dtype dtype) {
  return dtype == Dtype::float32 || dtype == Dtype::float64;
}

/// The C++ types a tensor can hold.
template <class T>
concept Element = std::is_same_v<T, float> || std::is_same_v<T, double> ||
    std::is_same_v<T, std::int32_t> || std::is_same_v<T, bool>;

/// The Dtype of a C++ element type.
template <Element T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) return Dtype::float32;
  if constexpr (std::is_same_v<T, double>) return Dtype::float64;
  if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::int32;
  return Dtype::bool_;
}

/// Calls `f` with a null pointer to the element type of `dtype`, for code that is written once for
/// all of them: with_element(dtype, [&]<class T>(T*) { ... }).
template <class F>
decltype(auto) with_element(Dtype dtype, F f) {
  switch (dtype) {
    case Dtype::float32: return f(static_cast<float*>(nullptr));
    case Dtype::float64: return f(static_cast<double*>(nullptr));
    case Dtype::int32: return f(static_cast<std::int32_t*>(nullptr));
    case Dtype::bool_: break;
  }
  return f(static_cast<bool*>(nullptr));
}

}  // namespace unroll
