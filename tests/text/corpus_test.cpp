#include <unroll/text/corpus.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/temporary_file.h>

using namespace unroll;
using namespace unroll::text;

namespace {

// Lines 2, 4, 5, 7 and 8 are bad.
constexpr std::string_view kMixed =
    "Hello.\tSalut.\r\n"
    "no tab here\n"
    "Thanks!\tMerci !\n"
    "ab\xFFz\tsale\xE9\n"
    "one\ttwo\tthree\n"
    "Run.\tCours.\n"
    "\tvide\n"
    "blank\t\u00A0 \n"
    "Last.\tFin.";

}  // namespace

TEST_CASE("read_corpus gives the pairs and counts the lines") {
  const TemporaryFile file("Hello.\tSalut.\nThanks!\tMerci\u202F!\n");
  const Corpus corpus = read_corpus(file.path());
  CHECK(corpus.pairs ==
        std::vector<SentencePair>{{"Hello.", "Salut."}, {"Thanks!", "Merci\u202F!"}});
  CHECK(corpus.report.read == 2);
  CHECK(corpus.report.kept == 2);
  CHECK(corpus.report.dropped == 0);
  CHECK(corpus.report.faults.empty());
}

TEST_CASE("read_corpus leaves bad lines out and reports them") {
  const TemporaryFile file(kMixed);
  const Corpus corpus = read_corpus(file.path(), {.bad_line = BadLine::skip});
  CHECK(corpus.pairs ==
        std::vector<SentencePair>{
            {"Hello.", "Salut."}, {"Thanks!", "Merci !"}, {"Run.", "Cours."}, {"Last.", "Fin."}});
  const CorpusReport& report = corpus.report;
  CHECK(report.read == 9);
  CHECK(report.kept == 4);
  CHECK(report.dropped == 5);
  CHECK(report.replaced == 0);
  REQUIRE(report.faults.size() == 5);
  const std::vector<std::pair<std::size_t, LineFault>> expected = {{2, LineFault::column_count},
                                                                   {4, LineFault::invalid_utf8},
                                                                   {5, LineFault::column_count},
                                                                   {7, LineFault::empty_side},
                                                                   {8, LineFault::empty_side}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(report.faults[i].line == expected[i].first);
    CHECK(report.faults[i].kind == expected[i].second);
    CHECK_FALSE(report.faults[i].replaced);
    CHECK(report.faults[i].byte.has_value() == (i == 1));
  }
  CHECK(report.faults[1].byte == std::optional<std::size_t>(2));
  CHECK(report.faults[1].message == file.path().string() + ":4: invalid UTF-8 at byte 2");
  CHECK(contains(report.faults[0].message, ":2: 1 column"));
  CHECK(contains(report.faults[2].message, ":5: 3 columns"));
  CHECK(contains(report.faults[3].message, ":7: empty source"));
  CHECK(contains(report.faults[4].message, ":8: empty target"));
}

TEST_CASE("read_corpus repairs invalid UTF-8 on request") {
  const TemporaryFile file(kMixed);
  const Corpus corpus = read_corpus(file.path(), {.bad_line = BadLine::replace});
  REQUIRE(corpus.pairs.size() == 5);
  CHECK(corpus.pairs[2] == SentencePair{"ab\uFFFDz", "sale\uFFFD"});
  CHECK(corpus.report.kept == 5);
  CHECK(corpus.report.dropped == 4);
  CHECK(corpus.report.replaced == 1);
  REQUIRE(corpus.report.faults.size() == 5);
  CHECK(corpus.report.faults[1].replaced);
  CHECK_FALSE(corpus.report.faults[0].replaced);
}

TEST_CASE("a CorpusReader stops at a bad line on request") {
  const TemporaryFile file(kMixed);
  CorpusReader reader(file.path(), {.bad_line = BadLine::stop});
  CHECK(reader.next() == SentencePair{"Hello.", "Salut."});
  const std::string message = thrown_message([&] { reader.next(); });
  CHECK(contains(message, ":2: 1 column"));
  CHECK(contains(message, "expected source<TAB>target"));
  CHECK(reader.report().read == reader.report().kept + reader.report().dropped);
  CHECK_THROWS_AS(read_corpus(file.path(), {.bad_line = BadLine::stop}), IoError);
}

TEST_CASE("the list of faults is limited, the counts are not") {
  const TemporaryFile file("a\nb\nc\nd\n");
  const Corpus corpus = read_corpus(file.path(), {.max_faults = 2});
  CHECK(corpus.report.faults.size() == 2);
  CHECK(corpus.report.dropped == 4);
}

TEST_CASE("a byte-order mark is passed over, and offsets still count from the line's first byte") {
  const TemporaryFile file("\xEF\xBB\xBFHello.\tSalut.\n");
  CHECK(read_corpus(file.path()).pairs[0].source == "Hello.");
  const TemporaryFile bad(
      "\xEF\xBB\xBF"
      "a\xFF\tb\n");
  CHECK(read_corpus(bad.path()).report.faults.at(0).byte == std::optional<std::size_t>(4));
}

TEST_CASE("read_corpus passes on what the file system says") {
  const auto missing = std::filesystem::temp_directory_path() / "unroll_no_such_file.tsv";
  CHECK_THROWS_AS(read_corpus(missing), IoError);
}
