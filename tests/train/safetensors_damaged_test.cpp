// safetensors: truncated files and flipped bits.
#include <unroll/train/safetensors.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/safetensors_files.h>

namespace unroll::train {
namespace {

// What its header does not say in two ways: all but names, metadata and shapes of empty tensors.
auto data_of(const TensorFile& file) {
  std::vector<std::tuple<Dtype, std::int64_t, std::string>> result;
  for (const auto& [name, tensor] : file.tensors) {
    result.emplace_back(tensor.dtype(), tensor.size(),
                        std::string(static_cast<const char*>(tensor.raw()), tensor.bytes()));
  }
  std::ranges::sort(result);
  return result;
}

void flip(std::string& bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
}

/// A file of a model: more names and numbers than small_file().
TensorFile model_file() {
  TensorFile file = small_file();
  for (int i = 0; i < 20; ++i) {
    file.tensors["layer." + std::to_string(i) + ".weight"] = Tensor::full({6, 8}, 0.1 * i);
  }
  return file;
}

TEST_CASE("safetensors rejects every truncation and every extension of a file") {
  const std::string file = serialized(model_file());
  REQUIRE(file.size() >= 4096);
  for (std::size_t size = 0; size < file.size(); ++size) {
    if (thrown_message([&] { parse(std::string_view(file).substr(0, size)); }).empty()) FAIL(size);
  }
  CHECK_THROWS_AS(parse(file + '\0'), IoError);
}

TEST_CASE("safetensors survives every flipped bit of the header") {
  const std::string file = serialized(small_file());
  const auto expected = data_of(small_file());
  const std::size_t header_end = 8 + header_of(file).size();
  int rejected = 0;
  for (std::size_t bit = 0; bit < 8 * header_end; ++bit) {
    std::string flipped = file;
    flip(flipped, bit);
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

TEST_CASE("safetensors survives random flips: an error, or exactly what the bytes say") {
  const std::string file = serialized(model_file());
  const std::size_t data_begin = 8 + header_of(file).size();
  std::mt19937 random(11);
  int rejected = 0, read = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string flipped = file, same_data = file;
    // One to three bits cannot make one legal size or dtype of another.
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const bool in_header = random() % 2 == 0;
      const std::size_t begin = in_header ? 0 : data_begin;
      const std::size_t end = in_header ? data_begin : file.size();
      const std::size_t bit = 8 * begin + random() % (8 * (end - begin));
      flip(flipped, bit);
      if (!in_header) flip(same_data, bit);
    }
    INFO(i);
    try {
      const TensorFile loaded = parse(flipped);
      ++read;
      if (data_of(loaded) != data_of(parse(same_data))) FAIL("other numbers");
      check_equal(parse(serialized(loaded)), loaded);
    } catch (const IoError&) {
      ++rejected;
    }
  }
  CHECK(read + rejected == 10'000);
  CHECK(read > 2'000);
  CHECK(rejected > 2'000);
}

}  // namespace
}  // namespace unroll::train
