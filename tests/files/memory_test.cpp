// The memory of readers: never more than the file and 16 MiB.
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <unroll/tests/files/counted_memory.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/safetensors_files.h>
#include <unroll/tests/train/scratch_directory.h>

using namespace unroll;
using namespace unroll::testing;
using namespace unroll::train;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// JSON of many entries, each made by `entry(number)`.
std::string header_of_many(int count, const std::function<std::string(int)>& entry) {
  std::string json = "{";
  for (int i = 0; i < count; ++i) json += (i > 0 ? "," : "") + entry(i);
  return json + "}";
}

std::string empty_tensor(const std::string& name) {
  return "\"" + name + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
}

/// `count` tensors of `bytes` each.
std::string file_of_tensors(int count, std::size_t bytes) {
  return file_of(header_of_many(count,
                                [&](int i) {
                                  const auto begin = static_cast<std::size_t>(i) * bytes;
                                  return "\"" + std::to_string(i) +
                                         R"(":{"dtype":"BOOL","shape":[)" + std::to_string(bytes) +
                                         R"(],"data_offsets":[)" + std::to_string(begin) + "," +
                                         std::to_string(begin + bytes) + "]}";
                                }),
                 std::string(static_cast<std::size_t>(count) * bytes, '\1'));
}

}  // namespace

TEST_CASE("reading a safetensors file takes no more memory than the file and 16 MiB") {
  struct File {
    std::string what, bytes;
    bool good = false;
  };
  const std::vector<File> files = {
      {"one tensor, a byte over a power of two", file_of_tensors(1, 64 * kMiB + 1), true},
      {"some tensors", file_of_tensors(23, 5 * kMiB / 2 + 1), true},
      {"many tensors", file_of_tensors(16'000, 2'100), true},
      {"as many as possible, empty",
       file_of(header_of_many(16'384, [](int i) { return empty_tensor(std::to_string(i)); })),
       true},
      {"as many as possible and one more",
       file_of(header_of_many(16'385, [](int i) { return empty_tensor(std::to_string(i)); }))},
      {"names as long as possible",
       file_of(header_of_many(
           8,
           [](int i) { return empty_tensor(std::string(kMiB - 64, static_cast<char>('a' + i))); })),
       true},
      {"metadata as long as possible",
       file_of("{\"__metadata__\":{\"k\":\"" + std::string(8 * kMiB - 16, 'x') + "\"}}"), true},
      {"more text than that", file_of("{\"" + std::string(40 * kMiB, 'x') + "\":{}}")},
      {"a number of 40 MiB",
       file_of(tensor_json("\"F32\"", "[" + std::string(40 * kMiB, '9') + "]", "[0,4]"))},
      {"nothing but [", file_of(std::string(40 * kMiB, '['))},
      {"nothing but {\"\":", file_of(header_of_many(1,
                                                    [](int) {
                                                      std::string json;
                                                      while (json.size() < 20 * kMiB)
                                                        json += "\"\":{";
                                                      return json;
                                                    }))},
      {"nothing but spaces", file_of(std::string(40 * kMiB, ' ') + "{}"), true},
      {"a length of the most there may be", length_bytes(100'000'000) + "{}"},
      {"a length of all bits", std::string(8, '\xff') + "{}"},
  };
  REQUIRE(files.size() == 14);
  const ScratchDirectory folder;
  for (const auto& [what, bytes, good] : files) {
    INFO(what);
    const auto path = folder / "file";
    put(path, bytes);
    begin_peak();
    CHECK(thrown_message([&] { load_safetensors(path); }).empty() == good);
    CHECK(peak_bytes() <= bytes.size() + 16 * kMiB);
    begin_peak();
    thrown_message([&, &file = bytes] { parse(file); });
    CHECK(peak_bytes() <= bytes.size() + 16 * kMiB);
  }
}

TEST_CASE("a damaged file takes no more memory than a good one") {
  const std::string file = file_of_tensors(40, 3'000);
  std::mt19937 random(5);
  for (int i = 0; i < 2'000; ++i) {
    std::string damaged = file;
    for (int n = 0; n < 3; ++n) damaged[random() % 3'000] = static_cast<char>(random());
    begin_peak();
    thrown_message([&] { parse(damaged); });
    if (peak_bytes() > file.size() + 16 * kMiB) FAIL(i);
  }
}
