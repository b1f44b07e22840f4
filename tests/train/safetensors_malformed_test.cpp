// safetensors: one malformed file per rule of the format and per published bug of another reader.
#include <unroll/train/safetensors.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/safetensors_files.h>

namespace unroll::train {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

struct Malformed {
  std::string_view rule;
  std::string file;
  std::string_view message;
};

std::vector<Malformed> malformed_files() {
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

  return {
      // Sizes.
      {"a file holds the length of its header", "", "found 0 bytes; expected at least the 8"},
      {"a file holds the length of its header", "1234567",
       "found 7 bytes; expected at least the 8"},
      {"a header has at most 100,000,000 bytes", length_bytes(100'000'001) + good,
       "header of 100000001 bytes; expected at most 100000000"},
      {"the length of a header does not wrap around", length_bytes(~std::uint64_t{0}) + good,
       "header of 18446744073709551615 bytes"},
      {"a header ends within the file", length_bytes(good.size() + 5) + good + four,
       "bytes; expected at least"},
      // JSON.
      {"a header is an object", file_of(""), "byte 0: found its end; expected an object"},
      {"a header is an object", file_of("[]"), "found '['; expected an object"},
      {"a header is an object", file_of("null"), "found 'n'; expected an object"},
      {"a header begins with {, not with a byte-order mark", file_of("\xef\xbb\xbf{}"),
       "byte 0: found byte 0xef; expected an object"},
      {"one object and nothing behind it", file_of("{}{}"),
       "byte 2: found '{'; expected the end of the header"},
      {"nothing hides behind a NUL byte", file_of("{}\0hidden"sv),
       "byte 2: found byte 0x00; expected the end of the header"},
      {"no comma behind the last entry", file_of("{" + a + ",}", four),
       "found '}'; expected a name in quotes"},
      {"every object ends", file_of("{" + a, four), "found its end; expected ',' or '}'"},
      {"a colon follows each name", file_of("{\"a\" {}}"), "byte 5: found '{'; expected ':'"},
      {"every string ends", file_of("{\"a"), "found a string without end"},
      {"every string ends", file_of("{\"a\\"), "found a string without end"},
      {"text is UTF-8", file_of("{\"a\xc3\":{}}"), "byte 3: found bytes that are not UTF-8"},
      {"control characters are escaped", file_of("{\"a\nb\":{}}"),
       "byte 3: found byte 0x0a; expected an escaped character"},
      {"only the escapes of JSON", file_of("{\"a\\x\":{}}"),
       "found 'x'; expected an escape of JSON"},
      {"only the escapes of JSON", file_of("{\"a\\u12\":{}}"),
       "found '\"'; expected four hexadecimal digits"},
      {"surrogates come in pairs", file_of("{\"a\\ud800\":{}}"), "half of a surrogate pair"},
      {"surrogates come in pairs", file_of("{\"a\\ud800\\u0041\":{}}"), "half of a surrogate pair"},
      {"surrogates come in pairs", file_of("{\"a\\udc00\":{}}"), "half of a surrogate pair"},
      {"nesting does not reach the stack: names", file_of("{\"a\":" + deep + "}"),
       "found '['; expected an object"},
      {"nesting does not reach the stack: shapes", file_of(f32(deep, "[0,4]"), four),
       "found '['; expected an unsigned integer"},
      {"no name twice", file_of("{" + a + "," + a + "}", four),
       "found a second \"a\"; expected each name once"},
      {"no name twice, however it is spelled",
       file_of("{" + a + ",\"\\u0061\":" + a.substr(4) + "}", four), "found a second \"a\""},
      {"no metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}"),
       "found a second \"__metadata__\""},
      {"no key of the metadata twice", file_of(metadata(R"({"k":"1","k":"2"})")),
       "found a second \"k\""},
      // Metadata.
      {"metadata is an object", file_of(metadata("null")), "found 'n'; expected an object"},
      {"metadata maps to strings", file_of(metadata(R"({"k":1})")),
       "found '1'; expected a string as the value of metadata"},
      {"metadata maps to strings", file_of(metadata(R"({"k":{}})")),
       "found '{'; expected a string as the value of metadata"},
      // Fields.
      {"every field is there", file_of(R"({"t":{"dtype":"F32","shape":[1]}})"),
       "tensor \"t\" without data_offsets"},
      {"every field is there", file_of(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", four),
       "\"t\" without shape"},
      {"every field is there", file_of(R"({"t":{}})"), "tensor \"t\" without dtype"},
      {"no field twice", file_of(R"({"t":{"dtype":"F32","dtype":"F32"}})"),
       "found a second \"dtype\""},
      {"no field twice", file_of(R"({"t":{"shape":[],"shape":[]}})"), "found a second \"shape\""},
      {"no field twice", file_of(R"({"t":{"data_offsets":[0,0],"data_offsets":[0,0]}})"),
       "second \"data_offsets\""},
      {"no other field", file_of(R"({"t":{"stride":[1]}})"),
       "found the field \"stride\" of tensor \"t\""},
      // Dtypes: an unknown one is reported before the offsets, which would be wrong, too.
      {"an unknown dtype is refused before offsets are trusted",
       file_of(tensor_json("\"U16\"", "[2]", "[9,1]")), "found dtype \"U16\" of tensor \"t\""},
      {"an unknown dtype is refused before offsets are trusted",
       file_of(tensor_json("\"U64\"", "[1]", "[0,8]"), eight),
       "expected F32, F64, I32, BOOL, F16, BF16 or I64"},
      {"sizes are those of the file's dtype", file_of(tensor_json("\"F16\"", "[1]", "[0,4]"), four),
       "has 4 bytes of data; expected 2 for F16 [1]"},
      {"sizes are those of the file's dtype", file_of(tensor_json("\"I64\"", "[1]", "[0,4]"), four),
       "has 4 bytes of data; expected 8 for I64 [1]"},
      {"whole numbers fit int32",
       file_of(tensor_json("\"I64\"", "[2]", "[0,16]"), eight + "\0\0\0\x80\0\0\0\0"s),
       "element 1 of I64 tensor \"t\" is no int32; expected -2^31 to 2^31 - 1"},
      {"whole numbers fit int32",
       file_of(tensor_json("\"I64\"", "[1]", "[0,8]"), "\xff\xff\xff\x7f\xff\xff\xff\xff"),
       "element 0 of I64 tensor \"t\" is no int32"},
      {"dtypes are spelled as they are", file_of(tensor_json("\"f32\"", "[1]", "[0,4]"), four),
       "found dtype \"f32\""},
      {"a dtype is a string", file_of(tensor_json("32", "[1]", "[0,4]"), four),
       "expected the name of a dtype"},
      // Numbers.
      {"sizes are not negative", file_of(f32("[-1]", "[0,4]"), four),
       "found '-'; expected an unsigned integer"},
      {"sizes are whole", file_of(f32("[1.0]", "[0,4]"), four),
       "found '.'; expected an unsigned integer"},
      {"sizes are whole", file_of(f32("[1e0]", "[0,4]"), four),
       "found 'e'; expected an unsigned integer"},
      {"numbers have no leading zero", file_of(f32("[01]", "[0,4]"), four), "found a leading zero"},
      {"sizes are numbers", file_of(f32("[\"1\"]", "[0,4]"), four), "expected an unsigned integer"},
      {"every array ends", file_of(f32("[1", "[0,4]"), four),
       "found '\"'; expected an unsigned integer"},
      {"a comma between elements", file_of(f32("[1 2]", "[0,4]"), four),
       "found '2'; expected ',' or ']'"},
      {"numbers fit 64 bits", file_of(f32("[1]", "[0,18446744073709551616]"), four),
       "a number over 2^64 - 1"},
      // Shapes.
      {"a shape is an array", file_of(f32("1", "[0,4]"), four), "found '1'; expected an array"},
      {"a shape has at most 6 axes", file_of(f32("[1,1,1,1,1,1,1]", "[0,4]"), four),
       "expected at most 6 axes"},
      {"an extent fits 63 bits", file_of(f32("[9223372036854775808]", "[0,4]"), four),
       "the extent 9223372036854775808"},
      {"products that wrap to 0 are not empty tensors",
       file_of(f32("[4294967296,4294967296]", "[0,0]")), "more than 2^48 elements"},
      {"products that wrap to 0 are not empty tensors",
       file_of(f32("[4611686018427387904]", "[0,0]")), "more than 2^48 elements"},
      {"products that wrap to 0 are not empty tensors",
       file_of(f32("[0,4294967296,4294967296]", "[0,0]")), "more than 2^48 elements"},
      // Offsets.
      {"offsets are two", file_of(f32("[1]", "[0]"), four),
       "found 1 data_offsets of tensor \"t\"; expected 2"},
      {"offsets are two", file_of(f32("[1]", "[0,4,8]"), four),
       "found 3 data_offsets of tensor \"t\"; expected 2"},
      {"no hole", file_of(f32("[1]", "[4,8]"), eight),
       "which leave a hole; expected it to begin at 0"},
      {"no hole", file_of("{" + a + "," + b + "[8,12]}}", eight + four),
       "hole; expected it to begin at 4"},
      {"no overlap", file_of("{" + a + "," + b + "[0,4]}}", four), "which overlap other data"},
      {"no overlap", file_of("{" + a + "," + b + "[2,6]}}", four + "12"),
       "which overlap other data"},
      {"data fits the shape", file_of(f32("[1]", "[0,8]"), eight),
       "has 8 bytes of data; expected 4 for F32 [1]"},
      {"data fits the shape", file_of(f32("[2]", "[0,4]"), four),
       "has 4 bytes of data; expected 8 for F32 [2]"},
      {"data fits the shape", file_of(f32("[]", "[0,0]")),
       "has 0 bytes of data; expected 4 for F32 []"},
      {"offsets run forwards", file_of(f32("[0]", "[4,0]"), four), "[4, 0], which run backwards"},
      {"the data ends with the file", file_of(good, "123"),
       "found 3 bytes of data after the header; expected 4"},
      {"the data ends with the file", file_of(good, eight),
       "found 8 bytes of data after the header; expected 4"},
      {"the data ends with the file", file_of("{}", four),
       "found 4 bytes of data after the header; expected 0"},
      // Values.
      {"BOOL is 0 or 1", file_of(tensor_json("\"BOOL\"", "[3]", "[0,3]"), "\1\0\2"sv),
       "element 2 of BOOL tensor \"t\" is 2; expected 0 or 1"},
      // Our own limits.
      {"at most 16,384 entries", file_of(many),
       "expected at most 16384 tensors and metadata entries"},
      {"at most 8 MiB of text", file_of(metadata("{\"k\":\"" + std::string(8 << 20, 'x') + "\"}")),
       "expected at most 8388608 bytes in all strings"},
      // Published: what other readers took for a file.
      {"data longer than its shape (fastllm 712)",
       file_of(f32("[32,8]", "[0,65536]"), std::string(65'536, '\0')),
       "has 65536 bytes of data; expected 1024"},
      {"data shorter than its shape (MLX 3363)", file_of(f32("[1000,1000]", "[0,4]"), four),
       "has 4 bytes of data; expected 4000000"},
      {"a length that wraps with 5 more (fastllm 712)",
       length_bytes(~std::uint64_t{0} - 4) + good + four, "header of 18446744073709551611 bytes"},
      {"a length that wraps with the 8 before it",
       length_bytes(~std::uint64_t{0} - 7) + good + four, "header of 18446744073709551608 bytes"},
      {"a negative offset (audio.cpp 138)", file_of(f32("[1]", "[-4,0]"), four),
       "found '-'; expected an unsigned integer"},
      {"end before begin (audio.cpp 138)", file_of(f32("[1]", "[8,4]"), eight + four),
       "[8, 4], which run backwards"},
      {"begin + size that wraps (audio.cpp 138)",
       file_of(f32("[1]", "[18446744073709551612,18446744073709551615]"), four), "leave a hole"},
      {"an end far behind the file (nntrainer 4334)",
       file_of(f32("[1]", "[0,18446744073709551615]"), four),
       "has 18446744073709551615 bytes of data; expected 4"},
      {"extents whose product wraps to 0 (stable-diffusion.cpp 1876)",
       file_of("{" + a + R"(,"t":{"dtype":"F32","shape":[4294967296,4294967296],)" +
                   R"("data_offsets":[4,4]}})",
               four),
       "more than 2^48 elements"},
      {"four extents whose bytes wrap to 0 (LiteRT 9255)",
       file_of(f32("[65536,65536,65536,65536]", "[7,9]")), "more than 2^48 elements"},
      {"elements fit 64 bits, bytes do not", file_of(f32("[4611686018427387905]", "[0,4]"), four),
       "more than 2^48 elements"},
      {"an unknown dtype with a begin anywhere (imp 1603)",
       file_of(tensor_json("\"F4\"", "[8]", "[1099511627776,4]"), four),
       "found dtype \"F4\" of tensor \"t\""},
      {"an empty dtype", file_of(tensor_json("\"\"", "[1]", "[0,4]"), four), "found dtype \"\""},
      {"data that no entry describes", file_of(metadata("{}"), four),
       "found 4 bytes of data after the header; expected 0"},
      {"-0 is no size", file_of(f32("[-0]", "[0,0]")), "found '-'; expected an unsigned integer"},
      {"+1 is no size", file_of(f32("[+1]", "[0,4]"), four), "found '+'"},
      {"0x1 is no size", file_of(f32("[0x1]", "[0,4]"), four), "found 'x'; expected ',' or ']'"},
      {"true is no size", file_of(f32("[true]", "[0,4]"), four), "found 't'"},
      {"null is no offset", file_of(f32("[1]", "[null,4]"), four), "found 'n'"},
      {"2^64 in a shape is not 0 (nlohmann)", file_of(f32("[18446744073709551616]", "[0,0]")),
       "a number over 2^64 - 1"},
      {"a ZIP file behind the data (Trail of Bits)", file_of(good, four + "PK\5\6"),
       "found 8 bytes of data after the header; expected 4"},
      {"a comment", file_of("{/**/}"), "found '/'"},
      {"names in single quotes", file_of("{'t':{}}"), "found '''; expected a name in quotes"},
      {"three tensors, the middle one inside the first",
       file_of(
           "{" + a + "," + b + R"([0,4]},"c":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
           eight),
       "which overlap other data"},
      {"an empty tensor in a hole of its own",
       file_of("{" + a + R"(,"b":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}})", four),
       "which leave a hole"},
      {"an empty tensor within another",
       file_of("{" + a + R"(,"b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}})", four),
       "which overlap other data"},
  };
}

TEST_CASE("safetensors names what is wrong with a malformed file") {
  const std::vector<Malformed> cases = malformed_files();
  std::set<std::string_view> rules;
  for (const auto& [rule, file, message] : cases) {
    rules.insert(rule);
    INFO(rule << ": " << file.substr(0, 200));
    CHECK_THROWS_AS(parse(file), IoError);
    const std::string thrown = thrown_message([&bytes = file] { parse(bytes); });
    INFO(thrown);
    CHECK(contains(thrown, message));
    CHECK(thrown.size() < 400);
  }
  CHECK(cases.size() >= 90);
  CHECK(rules.size() >= 60);
}

}  // namespace
}  // namespace unroll::train
