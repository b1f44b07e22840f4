// The wire format of Protocol Buffers, as far as ONNX's files need it: a message is a sequence of
// fields, each a number, a kind and a value. (protobuf.dev/programming-guides/encoding)
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::testing {

/// Reads the fields of a message in order: while (fields.next()) switch (fields.number()) ...
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view message) : rest_(message) {}

  /// Goes to the next field; false at the end. Throws std::runtime_error for bytes that are none.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t key = take_varint(rest_);
    number_ = static_cast<int>(key >> 3);
    switch (key & 7) {
      case 0: varint_ = take_varint(rest_); break;
      case 1: bytes_ = take(8); break;
      case 2: bytes_ = take(take_varint(rest_)); break;
      case 5: bytes_ = take(4); break;
      default: throw std::runtime_error("protobuf: unknown wire type");
    }
    packed_ = (key & 7) == 2;
    return true;
  }

  int number() const { return number_; }
  std::int64_t integer() const { return static_cast<std::int64_t>(varint_); }
  /// Of a message, a string or bytes.
  std::string_view bytes() const { return bytes_; }
  std::string text() const { return std::string(bytes_); }

  /// A number of fixed size, float or double.
  template <class T>
  T fixed() const {
    T value;
    if (bytes_.size() != sizeof value) throw std::runtime_error("protobuf: a number's size");
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
  }

  // Repeated numbers come one by one or packed into one field.
  void append_integers(std::vector<std::int64_t>& values) const {
    if (!packed_) return values.push_back(integer());
    for (std::string_view rest = bytes_; !rest.empty();) {
      values.push_back(static_cast<std::int64_t>(take_varint(rest)));
    }
  }
  template <class T>
  void append_fixed(std::vector<T>& values) const {
    for (std::size_t i = 0; i + sizeof(T) <= bytes_.size(); i += sizeof(T)) {
      std::memcpy(&values.emplace_back(), bytes_.data() + i, sizeof(T));
    }
  }

 private:
  static std::uint64_t take_varint(std::string_view& rest) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("protobuf: a number without end");
  }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) throw std::runtime_error("protobuf: a field beyond the end");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_, bytes_;
  int number_ = 0;
  std::uint64_t varint_ = 0;
  bool packed_ = false;
};

}  // namespace unroll::testing
