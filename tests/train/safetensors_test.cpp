// safetensors: round trips, a file of the reference implementation, one malformed file per rule.
#include <unroll/train/safetensors.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

namespace unroll::train {
namespace {

using namespace std::string_view_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TensorFile parse(std::string_view file) { return parse_safetensors(bytes_of(file)); }

std::string serialized(const TensorFile& file) {
  const auto bytes = serialize_safetensors(file);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string length_bytes(std::uint64_t length) {
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, 8);
  return result;
}

std::string file_of(std::string_view json, std::string_view data = "") {
  return length_bytes(json.size()).append(json).append(data);
}

std::string header_of(std::string_view file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  return std::string(file.substr(8, length));
}

void check_equal(const TensorFile& a, const TensorFile& b) {
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    INFO(name);
    REQUIRE(b.tensors.contains(name));
    CHECK(tensor.identical(b.tensors.at(name)));
  }
}

TensorFile small_file() {
  TensorFile file;
  file.tensors["w"] = Tensor({1, 3}, {1.5F, -2.0F, std::numeric_limits<float>::infinity()});
  file.tensors["d"] = Tensor::scalar(0.1, Dtype::float64);
  file.tensors["i"] = Tensor({2}, {-1, 7});
  file.tensors["m"] = Tensor({3}, {true, false, true});
  file.tensors["e"] = Tensor({2, 0});
  file.metadata["text"] = "na\xc3\xafve \"\xce\xbb\"\n";
  return file;
}

// small_file() as save_file of the Python package safetensors 0.8.0 writes it.
constexpr std::string_view kReferenceFile =
    "\x40\x01\0\0\0\0\0\0"
    "{\"__metadata__\":{\"text\":\"na\xc3\xafve \\\"\xce\xbb\\\"\\n\"},"
    "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"e\":{\"dtype\":\"F32\",\"shape\":[2,0],\"data_offsets\":[8,8]},"
    "\"w\":{\"dtype\":\"F32\",\"shape\":[1,3],\"data_offsets\":[8,20]},"
    "\"i\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[20,28]},"
    "\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[28,31]}}   "
    "\x9a\x99\x99\x99\x99\x99\xb9\x3f"
    "\0\0\xc0\x3f\0\0\0\xc0\0\0\x80\x7f"
    "\xff\xff\xff\xff\x07\0\0\0"
    "\x01\0\x01"sv;

TEST_CASE("safetensors round trip of every dtype and rank, empty tensors and metadata") {
  TensorFile file = small_file();
  const Shape shapes[] = {{},  {3},      {2, 3}, {2, 1, 3}, {1, 2, 3, 2}, {1, 1, 1, 1, 1, 2},
                          {0}, {2, 0, 3}};
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::bool_}) {
    for (const Shape& shape : shapes) {
      Tensor tensor(shape, dtype);
      auto* bytes = static_cast<unsigned char*>(tensor.mutable_raw());
      for (std::size_t i = 0; i < tensor.bytes(); ++i) {
        bytes[i] = static_cast<unsigned char>(dtype == Dtype::bool_ ? i % 2 : 37 * i + 11);
      }
      file.tensors[std::string(name_of(dtype)) + to_string(shape)] = tensor;
    }
  }
  file.tensors["nan"] = Tensor::scalar(std::numeric_limits<double>::quiet_NaN());
  file.tensors[""] = Tensor::scalar(1);
  file.tensors["\xe2\x88\x82/\"\\\t\x01 \xf0\x9d\x9b\xbb"] = Tensor::scalar(2);
  file.metadata[""] = "";
  file.metadata["\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"] = "{\"json\": [1, 2]}\r\n\x7f";

  check_equal(parse(serialized(file)), file);
  const ScratchDirectory directory;
  const auto path = directory / "model.safetensors";
  save_safetensors(path, file);
  CHECK(content_of(path) == serialized(file));
  check_equal(load_safetensors(path), file);
  save_safetensors(path, TensorFile{});
  check_equal(load_safetensors(path), TensorFile{});
}

TEST_CASE("safetensors reads and matches a file of the reference implementation") {
  check_equal(parse(kReferenceFile), small_file());
  TensorFile one;
  one.tensors["i"] = Tensor({2}, {-1, 7});
  CHECK(serialized(one) == file_of(R"({"i":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}  )",
                                   "\xff\xff\xff\xff\x07\0\0\0"sv));
}

TEST_CASE("safetensors orders data by element size, then name, and aligns it") {
  const std::string file = serialized(small_file());
  const std::string header = header_of(file);
  CHECK(header.size() % 8 == 0);
  CHECK(header.starts_with("{\"__metadata__\":{\"text\":"));
  std::size_t last = 0;
  for (const auto name : {"\"d\":", "\"e\":", "\"i\":", "\"w\":", "\"m\":"}) {
    const std::size_t place = header.find(name);
    REQUIRE(place != std::string::npos);
    CHECK(place > last);
    last = place;
  }
}

TEST_CASE("safetensors reads headers in any legal layout") {
  const TensorFile file = parse(
      file_of(" \n{ \"\\u0061\\ud835\\udEFB\\/\\b\\f\\r\\t\" :\t{\"data_offsets\":[ 0 , 4 ],\r\n"
              "\"shape\":[ ],\"dtype\":\"\\u004632\"} , \"__metadata__\":{ } } \t",
              "\0\0\x80\x3f"sv));
  CHECK(file.metadata.empty());
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors.begin()->first == "a\xf0\x9d\x9b\xbb/\b\f\r\t");
  CHECK(file.tensors.begin()->second.identical(Tensor::scalar(1)));
}

// A header with one tensor "t" of these fields.
std::string tensor_json(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return std::string("{\"t\":{\"dtype\":") + std::string(dtype) +
         ",\"shape\":" + std::string(shape) + ",\"data_offsets\":" + std::string(offsets) + "}}";
}

TEST_CASE("safetensors names what is wrong with a malformed file") {
  const auto f32 = [](std::string_view shape, std::string_view offsets) {
    return tensor_json("\"F32\"", shape, offsets);
  };
  const std::string good = f32("[1]", "[0,4]");
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::string b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":)";
  const auto metadata = [](std::string_view value) {
    return "{\"__metadata__\":" + std::string(value) + "}";
  };
  const std::string four(4, '\0'), eight(8, '\0');
  std::string many = "{";
  for (int i = 0; i <= 16'384; ++i) {
    many += (i > 0 ? ",\"" : "\"") + std::to_string(i) +
            R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  many += "}";
  const std::string deep(100'000, '[');

  struct Case {
    std::string file;
    std::string_view message;
  };
  const std::vector<Case> cases = {
      // Sizes.
      {"", "found 0 bytes; expected at least the 8"},
      {"1234567", "found 7 bytes; expected at least the 8"},
      {length_bytes(100'000'001) + good, "header of 100000001 bytes; expected at most 100000000"},
      {length_bytes(~std::uint64_t{0}) + good, "header of 18446744073709551615 bytes"},
      {length_bytes(good.size() + 5) + good + four, "bytes; expected at least"},
      // JSON.
      {file_of(""), "byte 0: found its end; expected an object"},
      {file_of("[]"), "found '['; expected an object"},
      {file_of("null"), "found 'n'; expected an object"},
      {file_of("\xef\xbb\xbf{}"), "byte 0: found byte 0xef; expected an object"},
      {file_of("{}{}"), "byte 2: found '{'; expected the end of the header"},
      {file_of("{}\0hidden"sv), "byte 2: found byte 0x00; expected the end of the header"},
      {file_of("{" + a + ",}", four), "found '}'; expected a name in quotes"},
      {file_of("{" + a, four), "found its end; expected ',' or '}'"},
      {file_of("{\"a\" {}}"), "byte 5: found '{'; expected ':'"},
      {file_of("{\"a"), "found a string without end"},
      {file_of("{\"a\\"), "found a string without end"},
      {file_of("{\"a\xc3\":{}}"), "byte 3: found bytes that are not UTF-8"},
      {file_of("{\"a\nb\":{}}"), "byte 3: found byte 0x0a; expected an escaped character"},
      {file_of("{\"a\\x\":{}}"), "found 'x'; expected an escape of JSON"},
      {file_of("{\"a\\u12\":{}}"), "found '\"'; expected four hexadecimal digits"},
      {file_of("{\"a\\ud800\":{}}"), "half of a surrogate pair"},
      {file_of("{\"a\\ud800\\u0041\":{}}"), "half of a surrogate pair"},
      {file_of("{\"a\\udc00\":{}}"), "half of a surrogate pair"},
      {file_of("{\"a\":" + deep + "}"), "found '['; expected an object"},
      {file_of(f32(deep, "[0,4]"), four), "found '['; expected an unsigned integer"},
      {file_of("{" + a + "," + a + "}", four), "found a second \"a\"; expected each name once"},
      {file_of("{" + a + ",\"\\u0061\":" + a.substr(4) + "}", four), "found a second \"a\""},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "found a second \"__metadata__\""},
      {file_of(metadata(R"({"k":"1","k":"2"})")), "found a second \"k\""},
      // Metadata.
      {file_of(metadata("null")), "found 'n'; expected an object"},
      {file_of(metadata(R"({"k":1})")), "found '1'; expected a string as the value of metadata"},
      {file_of(metadata(R"({"k":{}})")), "found '{'; expected a string as the value of metadata"},
      // Fields.
      {file_of(R"({"t":{"dtype":"F32","shape":[1]}})"), "tensor \"t\" without data_offsets"},
      {file_of(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", four), "\"t\" without shape"},
      {file_of(R"({"t":{}})"), "tensor \"t\" without dtype"},
      {file_of(R"({"t":{"dtype":"F32","dtype":"F32"}})"), "found a second \"dtype\""},
      {file_of(R"({"t":{"shape":[],"shape":[]}})"), "found a second \"shape\""},
      {file_of(R"({"t":{"data_offsets":[0,0],"data_offsets":[0,0]}})"), "second \"data_offsets\""},
      {file_of(R"({"t":{"stride":[1]}})"), "found the field \"stride\" of tensor \"t\""},
      // Dtypes: an unknown one is reported before the offsets, which would be wrong, too.
      {file_of(tensor_json("\"BF16\"", "[2]", "[9,1]")), "found dtype \"BF16\" of tensor \"t\""},
      {file_of(tensor_json("\"I64\"", "[1]", "[0,8]"), eight), "expected F32, F64, I32 or BOOL"},
      {file_of(tensor_json("\"f32\"", "[1]", "[0,4]"), four), "found dtype \"f32\""},
      {file_of(tensor_json("32", "[1]", "[0,4]"), four), "expected the name of a dtype"},
      // Numbers.
      {file_of(f32("[-1]", "[0,4]"), four), "found '-'; expected an unsigned integer"},
      {file_of(f32("[1.0]", "[0,4]"), four), "found '.'; expected an unsigned integer"},
      {file_of(f32("[1e0]", "[0,4]"), four), "found 'e'; expected an unsigned integer"},
      {file_of(f32("[01]", "[0,4]"), four), "found a leading zero"},
      {file_of(f32("[\"1\"]", "[0,4]"), four), "expected an unsigned integer"},
      {file_of(f32("[1", "[0,4]"), four), "found '\"'; expected an unsigned integer"},
      {file_of(f32("[1 2]", "[0,4]"), four), "found '2'; expected ',' or ']'"},
      {file_of(f32("[1]", "[0,18446744073709551616]"), four), "a number over 2^64 - 1"},
      // Shapes.
      {file_of(f32("1", "[0,4]"), four), "found '1'; expected an array"},
      {file_of(f32("[1,1,1,1,1,1,1]", "[0,4]"), four), "expected at most 6 axes"},
      {file_of(f32("[9223372036854775808]", "[0,4]"), four), "the extent 9223372036854775808"},
      {file_of(f32("[4294967296,4294967296]", "[0,0]")), "more than 2^48 elements"},
      {file_of(f32("[4611686018427387904]", "[0,0]")), "more than 2^48 elements"},
      {file_of(f32("[0,4294967296,4294967296]", "[0,0]")), "more than 2^48 elements"},
      // Offsets.
      {file_of(f32("[1]", "[0]"), four), "found 1 data_offsets of tensor \"t\"; expected 2"},
      {file_of(f32("[1]", "[0,4,8]"), four), "found 3 data_offsets of tensor \"t\"; expected 2"},
      {file_of(f32("[1]", "[4,8]"), eight), "which leave a hole; expected it to begin at 0"},
      {file_of("{" + a + "," + b + "[8,12]}}", eight + four), "hole; expected it to begin at 4"},
      {file_of("{" + a + "," + b + "[0,4]}}", four), "which overlap other data"},
      {file_of("{" + a + "," + b + "[2,6]}}", four + "12"), "which overlap other data"},
      {file_of(f32("[1]", "[0,8]"), eight), "has 8 bytes of data; expected 4 for float32 [1]"},
      {file_of(f32("[2]", "[0,4]"), four), "has 4 bytes of data; expected 8 for float32 [2]"},
      {file_of(f32("[]", "[0,0]")), "has 0 bytes of data; expected 4 for float32 []"},
      {file_of(f32("[0]", "[4,0]"), four), "[4, 0], which run backwards"},
      {file_of(good, "123"), "found 3 bytes of data after the header; expected 4"},
      {file_of(good, eight), "found 8 bytes of data after the header; expected 4"},
      {file_of("{}", four), "found 4 bytes of data after the header; expected 0"},
      // Values.
      {file_of(tensor_json("\"BOOL\"", "[3]", "[0,3]"), "\1\0\2"sv),
       "element 2 of BOOL tensor \"t\" is 2; expected 0 or 1"},
      // Our own limits.
      {file_of(many), "expected at most 16384 tensors and metadata entries"},
      {file_of(metadata("{\"k\":\"" + std::string(8 << 20, 'x') + "\"}")),
       "expected at most 8388608 bytes in all strings"},
  };
  for (const auto& [file, message] : cases) {
    INFO(file.substr(0, 200));
    CHECK_THROWS_AS(parse(file), IoError);
    const std::string thrown = thrown_message([&bytes = file] { parse(bytes); });
    INFO(thrown);
    CHECK(contains(thrown, message));
    CHECK(thrown.size() < 400);
  }
  CHECK(parse(file_of(good, four)).tensors.size() == 1);
}

TEST_CASE("safetensors rejects every truncation and every extension of a file") {
  const std::string file = serialized(small_file());
  for (std::size_t size = 0; size < file.size(); ++size) {
    INFO(size);
    CHECK_THROWS_AS(parse(file.substr(0, size)), IoError);
  }
  CHECK_THROWS_AS(parse(file + '\0'), IoError);
}

// Everything that a header cannot describe differently without being noticed: all but the names,
// the metadata and the shapes of empty tensors.
auto data_of(const TensorFile& file) {
  std::vector<std::tuple<Dtype, std::int64_t, std::string>> result;
  for (const auto& [name, tensor] : file.tensors) {
    result.emplace_back(tensor.dtype(), tensor.size(),
                        std::string(static_cast<const char*>(tensor.raw()), tensor.bytes()));
  }
  std::ranges::sort(result);
  return result;
}

TEST_CASE("safetensors survives every flipped bit of the header") {
  const std::string file = serialized(small_file());
  const auto expected = data_of(small_file());
  const std::size_t header_end = 8 + header_of(file).size();
  int rejected = 0;
  for (std::size_t bit = 0; bit < 8 * header_end; ++bit) {
    std::string flipped = file;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    INFO(bit);
    try {
      const TensorFile loaded = parse(flipped);
      CHECK(bit >= 64);
      CHECK(data_of(loaded) == expected);
    } catch (const IoError&) {
      ++rejected;
    }
  }
  CHECK(rejected > static_cast<int>(header_end) * 6);
}

TEST_CASE("safetensors errors of files name the path") {
  const ScratchDirectory directory;
  const auto message_for = [](const std::filesystem::path& path) {
    CHECK_THROWS_AS(load_safetensors(path), IoError);
    const std::string message = thrown_message([&] { load_safetensors(path); });
    CHECK(contains(message, path.string()));
    return message;
  };
  CHECK(contains(message_for(directory / "missing"), "No such file or directory"));
  CHECK(contains(message_for(directory.path()), "not a regular file"));
  put(directory / "short", "abc");
  CHECK(contains(message_for(directory / "short"), "found 3 bytes"));
  put(directory / "bad", file_of("{]"));
  CHECK(contains(message_for(directory / "bad"), "header, byte 1: found ']'"));
}

TEST_CASE("safetensors refuses to write what it could not read back, and touches nothing") {
  const ScratchDirectory directory;
  const auto path = directory / "model.safetensors";
  save_safetensors(path, small_file());
  const std::string before = content_of(path);
  const auto message_for = [&](const TensorFile& file) {
    CHECK_THROWS_AS(save_safetensors(path, file), ValueError);
    CHECK_THROWS_AS(serialize_safetensors(file), ValueError);
    return thrown_message([&] { save_safetensors(path, file); });
  };

  TensorFile reserved;
  reserved.tensors["__metadata__"] = Tensor();
  CHECK(contains(message_for(reserved), "expected any other name"));
  TensorFile bad_name;
  bad_name.tensors["a\xff"] = Tensor();
  CHECK(contains(message_for(bad_name), "byte 1 of the name of a tensor is not UTF-8"));
  TensorFile bad_value;
  bad_value.metadata["k"] = "\xed\xa0\x80";
  CHECK(contains(message_for(bad_value), "byte 0 of the metadata value \"k\" is not UTF-8"));
  TensorFile many;
  for (int i = 0; i <= 16'384; ++i) many.metadata[std::to_string(i)] = "";
  CHECK(contains(message_for(many), "expected at most 16384"));
  many.metadata.erase("0");
  check_equal(parse(serialized(many)), many);
  TensorFile long_text;
  long_text.metadata["k"] = std::string((8 << 20) / 6, '\n');
  CHECK(contains(message_for(long_text), "expected at most 8388608 bytes"));
  long_text.metadata["k"].resize((8 << 20) / 6 - 3);
  check_equal(parse(serialized(long_text)), long_text);

  CHECK_THROWS_AS(save_safetensors(directory / "missing/file", small_file()), IoError);
  CHECK(content_of(path) == before);
  CHECK(directory.entries() == 1);
}

}  // namespace
}  // namespace unroll::train
