// Writing the header and the data, reading the data; the header is read in safetensors_header.cpp.
#include <unroll/train/safetensors.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/safetensors_header.h>

namespace unroll::train {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr std::size_t kLengthBytes = 8;

/// JSON text that counts its strings as parse_header does.
class JsonText {
 public:
  void raw(std::string_view json) { json_ += json; }

  void string(std::string_view text, std::string_view what = "") {
    if (const auto bad = text::find_invalid_utf8(text)) {
      throw ValueError(fmt::format(
          "serialize_safetensors: byte {} of {} is not UTF-8; expected UTF-8", *bad, what));
    }
    json_ += '"';
    const std::size_t before = json_.size();
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        json_ += {'\\', c};
      } else if (static_cast<unsigned char>(c) < 0x20) {
        json_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else {
        json_ += c;
      }
    }
    text_ += json_.size() - before;
    if (text_ > kMaxHeaderText) {
      throw ValueError(fmt::format(
          "serialize_safetensors: got more text in names and metadata; expected at most {} bytes",
          kMaxHeaderText));
    }
    json_ += '"';
  }

  std::string& text() { return json_; }

 private:
  std::string json_;
  std::size_t text_ = 0;
};

using NamedTensor = std::pair<const std::string, Tensor>;

/// Larger elements first, so that all data is aligned; then by name.
std::vector<const NamedTensor*> in_data_order(const TensorFile& file) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : file.tensors) order.push_back(&tensor);
  std::ranges::stable_sort(order, std::ranges::greater{}, [](const NamedTensor* tensor) {
    return size_of(tensor->second.dtype());
  });
  return order;
}

std::string_view dtype_name(Dtype dtype) {
  return std::ranges::find(kStoredDtypes, dtype, &StoredDtype::dtype)->name;
}

/// The length and the JSON text, padded with spaces so that the data begins at a multiple of 8.
std::string header_bytes(const TensorFile& file, const std::vector<const NamedTensor*>& order) {
  if (file.tensors.size() + file.metadata.size() > kMaxHeaderEntries) {
    throw ValueError(fmt::format(
        "serialize_safetensors: got {} tensors and {} metadata entries; expected at most {}",
        file.tensors.size(), file.metadata.size(), kMaxHeaderEntries));
  }
  if (file.tensors.contains(std::string(kMetadataName))) {
    throw ValueError(
        fmt::format("serialize_safetensors: got a tensor named {}; expected any other name",
                    in_quotes(kMetadataName)));
  }

  JsonText json;
  json.raw("{");
  std::string_view separator;
  if (!file.metadata.empty()) {
    json.string(kMetadataName);
    json.raw(":{");
    for (const auto& [key, value] : file.metadata) {
      json.raw(separator);
      json.string(key, "a metadata key");
      json.raw(":");
      json.string(value, fmt::format("the metadata value {}", in_quotes(key)));
      separator = ",";
    }
    json.raw("}");
  }
  std::uint64_t offset = 0;
  for (const auto* named : order) {
    const auto& [name, tensor] = *named;
    json.raw(separator);
    json.string(name, "the name of a tensor");
    json.raw(":{");
    json.string("dtype");
    json.raw(":");
    json.string(dtype_name(tensor.dtype()));
    json.raw(",");
    json.string("shape");
    json.raw(fmt::format(":[{}],", fmt::join(tensor.shape().extents(), ",")));
    json.string("data_offsets");
    json.raw(fmt::format(":[{},{}]}}", offset, offset + tensor.bytes()));
    offset += tensor.bytes();
    separator = ",";
  }
  json.raw("}");

  std::string& text = json.text();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::string result(kLengthBytes, '\0');
  std::memcpy(result.data(), &length, kLengthBytes);
  return result += text;
}

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
}

/// Where the bytes of a file come from.
struct Source {
  std::string origin;  // for messages
  std::uint64_t size = 0;
  std::function<void(std::uint64_t offset, std::span<std::byte>)> read;  // within [0, size)
};

/// The elements of a tensor, piece by piece, from bytes in the file that are of other numbers.
/// Returns the position of one that has no equal.
std::optional<std::size_t> read_converted(const Source& source, const StoredDtype& stored,
                                          std::uint64_t offset, std::span<std::byte> elements) {
  const std::size_t width = size_of(stored.dtype), count = elements.size() / width;
  constexpr std::size_t kPiece = 8192;
  std::vector<std::byte> bytes(std::min(count, kPiece) * stored.size);
  for (std::size_t done = 0; done < count; done += kPiece) {
    const auto piece = std::span(bytes).first(std::min(count - done, kPiece) * stored.size);
    source.read(offset + done * stored.size, piece);
    if (const auto bad = convert(stored, piece, &elements[done * width])) return done + *bad;
  }
  return std::nullopt;
}

TensorFile read_all(const Source& source) {
  const auto fail = [&](const std::string& what) {
    throw IoError(fmt::format("{}: {}", source.origin, what));
  };
  if (source.size < kLengthBytes) {
    fail(fmt::format("found {} bytes; expected at least the {} of the header's length", source.size,
                     kLengthBytes));
  }
  std::uint64_t length = 0;
  source.read(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > kMaxHeaderBytes) {
    fail(fmt::format("found a header of {} bytes; expected at most {}", length, kMaxHeaderBytes));
  }
  const std::uint64_t data_begin = kLengthBytes + length;
  if (data_begin > source.size) {
    fail(fmt::format("found {} bytes; expected at least {} for the header", source.size,
                     data_begin));
  }

  Header header;
  {
    std::string json(length, '\0');
    source.read(kLengthBytes, std::as_writable_bytes(std::span(json)));
    header = parse_header(json, source.size - data_begin, source.origin);
  }

  TensorFile file;
  file.metadata = std::move(header.metadata);
  while (!header.tensors.empty()) {
    auto entry = header.tensors.extract(header.tensors.begin());
    const auto& [stored, shape, begin, end] = entry.mapped();
    Tensor tensor = Tensor::uninitialized_exact(shape, stored->dtype);
    const std::span bytes(static_cast<std::byte*>(tensor.mutable_raw()), tensor.bytes());
    if (stored->is_as_in_memory()) {
      source.read(data_begin + begin, bytes);
    } else if (const auto bad = read_converted(source, *stored, data_begin + begin, bytes)) {
      fail(fmt::format("element {} of {} tensor {} is no int32; expected -2^31 to 2^31 - 1", *bad,
                       stored->name, in_quotes(entry.key())));
    }
    if (stored->dtype == Dtype::bool_) {
      const auto bad = std::ranges::find_if(bytes, [](std::byte b) { return b > std::byte{1}; });
      if (bad != bytes.end()) {
        fail(fmt::format("element {} of BOOL tensor {} is {}; expected 0 or 1", bad - bytes.begin(),
                         in_quotes(entry.key()), static_cast<int>(*bad)));
      }
    }
    file.tensors.emplace_hint(file.tensors.end(), std::move(entry.key()), std::move(tensor));
  }
  return file;
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  blame_memory("save_safetensors", [&] {
    const auto order = in_data_order(file);
    const std::string header = header_bytes(file, order);
    std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(header))};
    for (const auto* named : order) parts.push_back(bytes_of(named->second));
    write_file_atomically(path, parts);
  });
}

namespace {

TensorFile load(const std::filesystem::path& path) {
  Source source;
  source.origin = fmt::format("load_safetensors: {}", path.string());
  const auto fail = [&](std::string_view found) {
    throw IoError(
        fmt::format("{}: {}; expected a readable safetensors file", source.origin, found));
  };

  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::is_regular_file(status)) {
    fail(std::filesystem::status_known(status) && std::filesystem::exists(status)
             ? "not a regular file"
             : error.message());
  }
  source.size = std::filesystem::file_size(path, error);
  if (error) fail(error.message());
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail(std::generic_category().message(errno));

  source.read = [&](std::uint64_t offset, std::span<std::byte> bytes) {
    errno = 0;
    stream.seekg(static_cast<std::streamoff>(offset));
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!stream) {
      fail(fmt::format("could not read {} bytes at {}: {}", bytes.size(), offset,
                       errno != 0 ? std::generic_category().message(errno) : "the file ends"));
    }
  };
  return read_all(source);
}

}  // namespace

TensorFile load_safetensors(const std::filesystem::path& path) {
  return blame_memory("load_safetensors", [&] { return load(path); });
}

std::vector<std::byte> serialize_safetensors(const TensorFile& file) {
  return blame_memory("serialize_safetensors", [&] {
    const auto order = in_data_order(file);
    const std::string header = header_bytes(file, order);
    const auto head = std::as_bytes(std::span(header));
    std::vector<std::byte> result(head.begin(), head.end());
    for (const auto* named : order) {
      const auto bytes = bytes_of(named->second);
      result.insert(result.end(), bytes.begin(), bytes.end());
    }
    return result;
  });
}

TensorFile parse_safetensors(std::span<const std::byte> bytes) {
  return blame_memory("parse_safetensors", [&] {
    return read_all({.origin = "parse_safetensors",
                     .size = bytes.size(),
                     .read = [&](std::uint64_t offset, std::span<std::byte> target) {
                       std::ranges::copy(bytes.subspan(offset, target.size()), target.begin());
                     }});
  });
}

}  // namespace unroll::train
