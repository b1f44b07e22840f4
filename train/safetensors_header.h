// The JSON header of a safetensors file; an implementation detail of safetensors.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <unroll/autograd/shape.h>
#include <unroll/train/stored_dtypes.h>

namespace unroll::train {

/// The format's limit for the length of a header.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
/// Our limits for what a header holds: tensors and metadata entries together, and bytes between
/// quotes. They bound the memory of the reader, see load_safetensors.
inline constexpr std::size_t kMaxHeaderEntries = 16'384;
inline constexpr std::size_t kMaxHeaderText = std::size_t{8} << 20;

/// The key of the metadata, which no tensor can have as its name.
inline constexpr std::string_view kMetadataName = "__metadata__";

/// One tensor: its bytes are [begin, end) of the data that follows the header.
struct HeaderEntry {
  const StoredDtype* stored = nullptr;
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
