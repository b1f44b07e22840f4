// The dtypes of safetensors files; an implementation detail of safetensors.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <unroll/autograd/dtype.h>

namespace unroll::train {

/// A dtype of the format, and that of the tensors that are made of it.
struct StoredDtype {
  std::string_view name;
  Dtype dtype;
  std::size_t size;  ///< of a number in the file, in bytes

  bool is_as_in_memory() const { return size == size_of(dtype); }
};

/// Those that are read. The first one of a Dtype is the one that is written.
inline constexpr std::array<StoredDtype, 7> kStoredDtypes = {{
    {"F32", Dtype::float32, 4},
    {"F64", Dtype::float64, 8},
    {"I32", Dtype::int32, 4},
    {"BOOL", Dtype::bool_, 1},
    {"F16", Dtype::float32, 2},
    {"BF16", Dtype::float32, 2},
    {"I64", Dtype::int32, 8},
}};

/// The elements that the numbers `bytes` of a dtype which is not as in memory become, from `to` on.
/// Stops at a number that has no equal and returns its position.
std::optional<std::size_t> convert(const StoredDtype& stored, std::span<const std::byte> bytes,
                                   void* to);

}  // namespace unroll::train
