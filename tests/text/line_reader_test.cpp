#include <unroll/text/line_reader.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/temporary_file.h>

#include <utility>
#include <vector>

using namespace unroll;
using namespace unroll::text;

namespace {

// gzip of "Hello.\tSalut.\nThanks!\tMerci !\n".
const std::string kCompressed(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xf3\x48\xcd\xc9\xc9\xd7\xe3\x0c\x4e\xcc\x29\x2d\xd1"
    "\xe3\x0a\xc9\x48\xcc\xcb\x2e\x56\xe4\xf4\x4d\x2d\x4a\xce\x54\x50\xe4\x02\x00\x7c\x5a\xc5\xec"
    "\x1e\x00\x00\x00",
    50);

std::vector<std::string> lines_of(std::string_view bytes, const std::string& extension = ".txt") {
  const TemporaryFile file(bytes, extension);
  LineReader reader(file.path());
  std::vector<std::string> lines;
  for (std::string line; reader.next(line);) {
    lines.push_back(line);
    CHECK(reader.line_number() == lines.size());
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("LineReader splits on \\n only and drops one \\r") {
  CHECK(lines_of("").empty());
  CHECK(lines_of("a\nb\n") == Lines{"a", "b"});
  CHECK(lines_of("a\n\nb") == Lines{"a", "", "b"});
  CHECK(lines_of("a\r\nb\r\r\nc\rd\r") == Lines{"a", "b\r", "c\rd"});
  CHECK(lines_of("a\u2028b\x85\x0B\x0C\n") == Lines{"a\u2028b\x85\x0B\x0C"});
  CHECK(lines_of(std::string("a\0b\nc", 5)) == Lines{std::string("a\0b", 3), "c"});
}

TEST_CASE("LineReader joins the pieces it reads") {
  const Lines expected = {std::string(65535, 'a'), "", std::string(200000, 'b'), "c"};
  CHECK(lines_of(expected[0] + "\n\n" + expected[2] + "\r\n" + expected[3]) == expected);
}

TEST_CASE("LineReader reads gzip under any name") {
  const Lines expected = {"Hello.\tSalut.", "Thanks!\tMerci !"};
  CHECK(lines_of(kCompressed, ".gz") == expected);
  CHECK(lines_of(kCompressed, ".tsv") == expected);
}

TEST_CASE("LineReader can be moved") {
  const TemporaryFile file("a\nb\n");
  LineReader first(file.path());
  std::string line;
  REQUIRE(first.next(line));
  LineReader second = std::move(first);
  REQUIRE(second.next(line));
  CHECK(line == "b");
  CHECK(second.line_number() == 2);
}

TEST_CASE("LineReader says what is wrong with a file") {
  const auto missing = std::filesystem::temp_directory_path() / "unroll_no_such_folder" / "x.tsv";
  CHECK_THROWS_AS(LineReader(missing), IoError);
  CHECK(contains(thrown_message([&] { LineReader reader(missing); }), "x.tsv"));
  CHECK_THROWS_AS(LineReader(std::filesystem::temp_directory_path()), IoError);
  CHECK_THROWS_AS(lines_of("plain text\n", ".gz"), IoError);
  CHECK_THROWS_AS(lines_of(kCompressed.substr(0, 30), ".gz"), IoError);
  std::string damaged = kCompressed;
  damaged[20] ^= 0x55;
  CHECK_THROWS_AS(lines_of(damaged, ".gz"), IoError);
}
