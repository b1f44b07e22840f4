// The JSON header of a safetensors file; an implementation detail of safetensors.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/shape.h>

namespace unroll::train {

/// The format's limit for the length of a header.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
/// Our limits for what a header holds: tensors and metadata entries together, and bytes between
/// quotes. They bound the memory of the reader, see load_safetensors.
inline constexpr std::size_t kMaxHeaderEntries = 16'384;
inline constexpr std::size_t kMaxHeaderText = std::size_t{8} << 20;

/// The key of the metadata, which no tensor can have as its name.
inline constexpr std::string_view kMetadataName = "__metadata__";

/// The format's names of the dtypes that a Tensor can have.
inline constexpr std::array<std::pair<std::string_view, Dtype>, 4> kDtypeNames = {{
    {"F32", Dtype::float32},
    {"F64", Dtype::float64},
    {"I32", Dtype::int32},
    {"BOOL", Dtype::bool_},
}};

/// One tensor: its bytes are [begin, end) of the data that follows the header.
struct HeaderEntry {
  Dtype dtype = Dtype::float32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct Header {
  std::map<std::string, HeaderEntry> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads the JSON text `json` of a header that `data_size` bytes of data follow. The result has
/// passed every check of load_safetensors that does not need the data. Throws IoError beginning
/// with `origin`.
Header parse_header(std::string_view json, std::uint64_t data_size, std::string_view origin);

/// `text` in quotes for a message, cut if it is long.
std::string in_quotes(std::string_view text);

}  // namespace unroll::train
