// safetensors: round trips, a file of the reference implementation, what cannot be written.
#include <unroll/train/safetensors.h>

#include <limits>
#include <string>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/safetensors_files.h>
#include <unroll/tests/train/scratch_directory.h>

namespace unroll::train {
namespace {

using namespace std::string_view_literals;

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

TEST_CASE("safetensors makes float32 of every 16-bit number, exactly") {
  std::string every;
  for (unsigned bits = 0; bits < 65'536; ++bits) {
    every += {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)};
  }
  const auto read = [&](const std::string& dtype) {
    return parse(file_of(tensor_json("\"" + dtype + "\"", "[256,256]", "[0,131072]"), every))
        .tensors.at("t");
  };
  // Sign, exponent and fraction of IEEE 754's binary16 and of bfloat16.
  const auto check = [](const Tensor& found, int fraction_bits, int exponent_bits) {
    REQUIRE(found.dtype() == Dtype::float32);
    REQUIRE(found.shape() == Shape{256, 256});
    const int bias = (1 << (exponent_bits - 1)) - 1, most = (1 << exponent_bits) - 1;
    int wrong = 0;
    for (int bits = 0; bits < 65'536; ++bits) {
      const int fraction = bits & ((1 << fraction_bits) - 1);
      const int exponent = bits >> fraction_bits & most;
      const double one =
          std::ldexp(fraction + (exponent > 0 ? 1 << fraction_bits : 0), -fraction_bits);
      const double size = exponent < most ? std::ldexp(one, std::max(exponent, 1) - bias)
                          : fraction > 0  ? std::nan("")
                                          : std::numeric_limits<double>::infinity();
      const float number = found.data<float>()[static_cast<std::size_t>(bits)];
      const bool same = std::isnan(size) ? std::isnan(number) : std::abs(number) == size;
      wrong += !same || std::signbit(number) != (bits >= 32'768);
    }
    CHECK(wrong == 0);
  };
  check(read("F16"), 10, 5);
  check(read("BF16"), 7, 8);
}

TEST_CASE("safetensors makes int32 of I64 numbers that fit") {
  std::string numbers;
  std::vector<std::int32_t> expected;
  for (std::int64_t i = 0; i < 20'000; ++i) {  // a few pieces
    const std::int64_t n = i % 2 == 0 ? 2'147'483'647 - i : -2'147'483'649 + i;
    numbers.append(reinterpret_cast<const char*>(&n), sizeof(n));
    expected.push_back(static_cast<std::int32_t>(n));
  }
  const auto file = parse(file_of(tensor_json("\"I64\"", "[20000]", "[0,160000]"), numbers));
  CHECK(file.tensors.at("t").identical(Tensor({20'000}, expected)));
  CHECK(parse(file_of(tensor_json("\"I64\"", "[0]", "[0,0]"))).tensors.at("t").size() == 0);
  // What was read is written as what it is now.
  CHECK(contains(header_of(serialized(file)), "\"dtype\":\"I32\""));
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
