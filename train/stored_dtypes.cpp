// Numbers of files, as elements of tensors.
#include <unroll/train/stored_dtypes.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace unroll::train {

namespace {

/// IEEE 754 binary16.
float of_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16, magnitude = half & 0x7FFFU;
  if (magnitude < 0x400) {  // a multiple of the smallest number, 2^-24
    return std::copysign(static_cast<float>(magnitude) * 0x1p-24F, std::bit_cast<float>(sign));
  }
  const std::uint32_t rebias = magnitude < 0x7C00 ? (127U - 15U) << 23 : (255U - 31U) << 23;
  return std::bit_cast<float>(sign | ((magnitude << 13) + rebias));
}

/// The upper half of a float.
float of_bfloat16(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

template <class From>
From number_at(std::span<const std::byte> bytes, std::size_t i) {
  From number;
  std::memcpy(&number, &bytes[i * sizeof(From)], sizeof(From));
  return number;
}

}  // namespace

std::optional<std::size_t> convert(const StoredDtype& stored, std::span<const std::byte> bytes,
                                   void* to) {
  const std::size_t count = bytes.size() / stored.size;
  if (stored.dtype == Dtype::float32) {
    const auto widened = stored.name == "F16" ? of_half : of_bfloat16;
    for (std::size_t i = 0; i < count; ++i) {
      static_cast<float*>(to)[i] = widened(number_at<std::uint16_t>(bytes, i));
    }
    return std::nullopt;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = number_at<std::int64_t>(bytes, i);
    if (!std::in_range<std::int32_t>(number)) return i;
    static_cast<std::int32_t*>(to)[i] = static_cast<std::int32_t>(number);
  }
  return std::nullopt;
}

}  // namespace unroll::train
