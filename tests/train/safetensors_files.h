// Files in the safetensors format as strings, for its tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <unroll/tests/support/catch.h>
#include <unroll/train/safetensors.h>

namespace unroll::train {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline TensorFile parse(std::string_view file) { return parse_safetensors(bytes_of(file)); }

inline std::string serialized(const TensorFile& file) {
  const auto bytes = serialize_safetensors(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string length_bytes(std::uint64_t length) {
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, 8);
  return result;
}

inline std::string file_of(std::string_view json, std::string_view data = "") {
  return length_bytes(json.size()).append(json).append(data);
}

inline std::string header_of(std::string_view file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  return std::string(file.substr(8, length));
}

inline void check_equal(const TensorFile& a, const TensorFile& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    INFO(name);
    REQUIRE(b.tensors.contains(name));
    CHECK(tensor.identical(b.tensors.at(name)));
  }
}

inline TensorFile small_file() {
  TensorFile file;
  file.tensors["w"] = Tensor({1, 3}, {1.5F, -2.0F, std::numeric_limits<float>::infinity()});
  file.tensors["d"] = Tensor::scalar(0.1, Dtype::float64);
  file.tensors["i"] = Tensor({2}, {-1, 7});
  file.tensors["m"] = Tensor({3}, {true, false, true});
  file.tensors["e"] = Tensor({2, 0});
  file.metadata["text"] = "na\xc3\xafve \"\xce\xbb\"\n";
  return file;
}

// A header with one tensor "t" of these fields.
inline std::string tensor_json(std::string_view dtype, std::string_view shape,
                               std::string_view offsets) {
  return std::string("{\"t\":{\"dtype\":") + std::string(dtype) +
         ",\"shape\":" + std::string(shape) + ",\"data_offsets\":" + std::string(offsets) + "}}";
}

}  // namespace unroll::train
