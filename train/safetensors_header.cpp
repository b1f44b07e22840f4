// A parser for exactly the JSON that a safetensors header may hold. General JSON readers keep the
// last of two equal keys, turn -1 and 1.5 into sizes, stop at a NUL byte and build a tree of many
// times the size of the text; here none of these can happen.
#include <unroll/train/safetensors_header.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/text/utf8.h>

namespace unroll::train {

namespace {

class HeaderParser {
 public:
  HeaderParser(std::string_view json, std::string_view origin) : json_(json), origin_(origin) {}

  Header parse() {
    if (const auto bad = text::find_invalid_utf8(json_)) {
      position_ = *bad;
      fail("bytes that are not UTF-8", "UTF-8");
    }
    object([&](std::string name) {
      if (name == kMetadataName) {
        if (std::exchange(has_metadata_, true)) fail_duplicate(name);
        parse_metadata();
        return;
      }
      count_entry();
      const auto [place, is_new] = header_.tensors.try_emplace(std::move(name));
      if (!is_new) fail_duplicate(place->first);
      place->second = parse_entry(place->first);
    });
    skip_space();
    if (position_ < json_.size()) fail_here("the end of the header");
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw IoError(fmt::format("{}: header, byte {}: found {}; expected {}", origin_, position_,
                              found, expected));
  }
  [[noreturn]] void fail_here(std::string_view expected) const {
    if (position_ >= json_.size()) fail("its end", expected);
    const auto byte = static_cast<unsigned char>(json_[position_]);
    fail(byte >= 0x20 && byte < 0x7f ? fmt::format("'{}'", json_[position_])
                                     : fmt::format("byte 0x{:02x}", byte),
         expected);
  }
  [[noreturn]] void fail_duplicate(std::string_view key) const {
    fail("a second " + in_quotes(key), "each name once");
  }

  void skip_space() {
    position_ = std::min(json_.find_first_not_of(" \t\n\r", position_), json_.size());
  }
  bool next_is(char c) {
    skip_space();
    return position_ < json_.size() && json_[position_] == c;
  }
  bool consume(char c) {
    const bool found = next_is(c);
    position_ += found;
    return found;
  }
  void require(char c, std::string_view expected) {
    if (!consume(c)) fail_here(expected);
  }
  void count_entry() {
    if (++entries_ > kMaxHeaderEntries) {
      fail("one entry more",
           fmt::format("at most {} tensors and metadata entries", kMaxHeaderEntries));
    }
  }

  /// Calls `field(key)` before each value, which `field` has to parse.
  template <class Field>
  void object(Field field) {
    require('{', "an object");
    if (consume('}')) return;
    do {
      std::string key = string("a name in quotes");
      require(':', "':'");
      field(std::move(key));
    } while (consume(','));
    require('}', "',' or '}'");
  }

  template <class Item>
  void array(Item item) {
    require('[', "an array");
    if (consume(']')) return;
    do {
      item();
    } while (consume(','));
    require(']', "',' or ']'");
  }

  std::string string(std::string_view expected) {
    require('"', expected);
    std::size_t end = position_;
    while (end < json_.size() && json_[end] != '"') end += json_[end] == '\\' ? 2 : 1;
    if (end >= json_.size()) fail("a string without end", "'\"'");
    text_ += end - position_;
    if (text_ > kMaxHeaderText) {
      fail("more text", fmt::format("at most {} bytes in all strings", kMaxHeaderText));
    }
    std::string result;
    result.reserve(end - position_);
    while (position_ < end) {
      if (static_cast<unsigned char>(json_[position_]) < 0x20) fail_here("an escaped character");
      if (json_[position_] == '\\') {
        append_escaped(result);
      } else {
        result += json_[position_++];
      }
    }
    ++position_;
    return result;
  }

  void append_escaped(std::string& result) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++position_;
    if (const auto which = kLetters.find(json_[position_]); which != kLetters.npos) {
      ++position_;
      result += kMeanings[which];
      return;
    }
    char32_t code_point = utf16_unit();
    if (code_point >= 0xD800 && code_point < 0xDC00 && json_.substr(position_, 1) == "\\") {
      ++position_;
      const char32_t low = utf16_unit();
      if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair", "both halves");
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      fail("half of a surrogate pair", "both halves");
    }
    result += text::encode_utf8({&code_point, 1});
  }

  /// The XXXX of \uXXXX, beginning at the u.
  char32_t utf16_unit() {
    if (json_[position_] != 'u') fail_here("an escape of JSON");
    ++position_;
    char32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++position_) {
      constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
      const auto digit = position_ < json_.size() ? kDigits.find(json_[position_]) : kDigits.npos;
      if (digit == kDigits.npos) fail_here("four hexadecimal digits");
      unit = unit * 16 + static_cast<char32_t>(digit % 16);
    }
    return unit;
  }

  std::uint64_t unsigned_integer() {
    skip_space();
    constexpr std::string_view kExpected = "an unsigned integer";
    const std::size_t first = position_;
    std::uint64_t value = 0;
    for (; position_ < json_.size() && json_[position_] >= '0' && json_[position_] <= '9';
         ++position_) {
      const auto digit = static_cast<std::uint64_t>(json_[position_] - '0');
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
        fail("a number over 2^64 - 1", kExpected);
      }
      value = 10 * value + digit;
    }
    const bool goes_on = position_ < json_.size() &&
                         std::string_view(".eE").find(json_[position_]) != std::string_view::npos;
    if (position_ == first || goes_on) fail_here(kExpected);
    if (json_[first] == '0' && position_ > first + 1) fail("a leading zero", kExpected);
    return value;
  }

  void parse_metadata() {
    object([&](std::string key) {
      count_entry();
      const auto [place, is_new] = header_.metadata.try_emplace(std::move(key));
      if (!is_new) fail_duplicate(place->first);
      place->second = string("a string as the value of metadata");
    });
  }

  HeaderEntry parse_entry(std::string_view name) {
    const StoredDtype* stored = nullptr;
    std::optional<Shape> shape;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> offsets;
    object([&](const std::string& key) {
      if (key == "dtype") {
        if (stored != nullptr) fail_duplicate(key);
        stored = &parse_dtype(name);
      } else if (key == "shape") {
        if (shape) fail_duplicate(key);
        shape = parse_shape(name);
      } else if (key == "data_offsets") {
        if (offsets) fail_duplicate(key);
        offsets = parse_offsets(name);
      } else {
        fail(fmt::format("the field {} of tensor {}", in_quotes(key), in_quotes(name)),
             "dtype, shape and data_offsets only");
      }
    });
    if (stored == nullptr || !shape || !offsets) {
      fail(fmt::format("tensor {} without {}", in_quotes(name),
                       stored == nullptr ? "dtype"
                       : !shape          ? "shape"
                                         : "data_offsets"),
           "dtype, shape and data_offsets");
    }
    return {stored, *shape, offsets->first, offsets->second};
  }

  const StoredDtype& parse_dtype(std::string_view name) {
    const std::string found = string("the name of a dtype");
    for (const StoredDtype& known : kStoredDtypes) {
      if (found == known.name) return known;
    }
    fail(fmt::format("dtype {} of tensor {}", in_quotes(found), in_quotes(name)),
         "F32, F64, I32, BOOL, F16, BF16 or I64");
  }

  Shape parse_shape(std::string_view name) {
    std::array<std::int64_t, Shape::kMaxRank> extents{};
    std::size_t rank = 0;
    array([&] {
      if (rank == extents.size()) {
        fail(fmt::format("a shape of more axes in tensor {}", in_quotes(name)),
             fmt::format("at most {} axes", Shape::kMaxRank));
      }
      const std::uint64_t extent = unsigned_integer();
      if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail(fmt::format("the extent {} in tensor {}", extent, in_quotes(name)),
             "at most 2^63 - 1");
      }
      extents[rank++] = static_cast<std::int64_t>(extent);
    });
    try {
      return Shape(std::span<const std::int64_t>(extents.data(), rank));
    } catch (const ShapeError& error) {
      fail(fmt::format("in tensor {}: {}", in_quotes(name), error.what()),
           "a shape that fits memory");
    }
  }

  std::pair<std::uint64_t, std::uint64_t> parse_offsets(std::string_view name) {
    std::array<std::uint64_t, 2> offsets{};
    std::size_t count = 0;
    array([&] {
      const std::uint64_t offset = unsigned_integer();
      if (count < offsets.size()) offsets[count] = offset;
      ++count;
    });
    if (count != offsets.size()) {
      fail(fmt::format("{} data_offsets of tensor {}", count, in_quotes(name)), "2");
    }
    return {offsets[0], offsets[1]};
  }

  std::string_view json_;
  std::string_view origin_;
  Header header_;
  std::size_t position_ = 0;
  std::size_t entries_ = 0;
  std::size_t text_ = 0;
  bool has_metadata_ = false;
};

/// The tensors must cover [0, data_size) one after the other, each with the bytes of its shape.
void check_layout(const Header& header, std::uint64_t data_size, std::string_view origin) {
  std::vector<const std::pair<const std::string, HeaderEntry>*> by_offset;
  by_offset.reserve(header.tensors.size());
  for (const auto& tensor : header.tensors) by_offset.push_back(&tensor);
  std::ranges::stable_sort(by_offset, {}, [](const auto* tensor) {
    return std::pair(tensor->second.begin, tensor->second.end);
  });

  std::uint64_t covered = 0;
  for (const auto* tensor : by_offset) {
    const auto& [name, entry] = *tensor;
    if (entry.begin != covered || entry.end < entry.begin) {
      throw IoError(
          fmt::format("{}: tensor {} has data_offsets [{}, {}], {}; expected it to begin at {}",
                      origin, in_quotes(name), entry.begin, entry.end,
                      entry.end < entry.begin ? "which run backwards"
                      : entry.begin > covered ? "which leave a hole"
                                              : "which overlap other data",
                      covered));
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(entry.shape.size()) * entry.stored->size;
    if (entry.end - entry.begin != bytes) {
      throw IoError(fmt::format("{}: tensor {} has {} bytes of data; expected {} for {} {}", origin,
                                in_quotes(name), entry.end - entry.begin, bytes, entry.stored->name,
                                to_string(entry.shape)));
    }
    covered = entry.end;
  }
  if (covered != data_size) {
    throw IoError(fmt::format("{}: found {} bytes of data after the header; expected {}", origin,
                              data_size, covered));
  }
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLimit = 60;
  return text.size() <= kLimit ? fmt::format("\"{}\"", text)
                               : fmt::format("\"{}...\"", text.substr(0, kLimit));
}

Header parse_header(std::string_view json, std::uint64_t data_size, std::string_view origin) {
  Header header = HeaderParser(json, origin).parse();
  check_layout(header, data_size, origin);
  return header;
}

}  // namespace unroll::train
