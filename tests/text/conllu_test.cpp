#include <unroll/text/conllu.h>

#include <fstream>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

using namespace unroll;
using namespace unroll::text;

namespace {

std::vector<TaggedSentence> parse(const std::string& content, TagColumn column = TagColumn::upos) {
  const train::ScratchDirectory scratch;
  const auto path = scratch.path() / "file.conllu";
  std::ofstream(path) << content;
  return read_conllu(path, column);
}

/// A row of ten columns.
std::string row(const std::string& id, const std::string& form, const std::string& tag) {
  return id + "\t" + form + "\tlemma\t" + tag + "\tX" + tag + "\t_\t0\troot\t_\t_\n";
}

}  // namespace

TEST_CASE("sentences of CoNLL-U") {
  const std::string content = "# sent_id = 1\n" + row("1-2", "don't", "_") + row("1", "do", "AUX") +
                              row("2", "n't", "PART") + row("2.1", "empty", "_") +
                              row("3", "go", "VERB") + "\n# sent_id = 2\n" +
                              row("1", "\u00E9t\u00E9", "NOUN");
  const auto sentences = parse(content);
  REQUIRE(sentences.size() == 2);
  CHECK(sentences[0].words == std::vector<std::string>{"do", "n't", "go"});
  CHECK(sentences[0].tags == std::vector<std::string>{"AUX", "PART", "VERB"});
  CHECK(sentences[1].words == std::vector<std::string>{"\u00E9t\u00E9"});
  CHECK(parse(content, TagColumn::xpos)[0].tags[2] == "XVERB");
  CHECK(parse("\uFEFF" + content)[0].words == sentences[0].words);
  CHECK(parse("\uFEFF" + row("1", "a", "X"))[0].words == std::vector<std::string>{"a"});
  CHECK(parse("1\ta\rb\t_\tX\t_\t_\t_\t_\t_\t_\r\n\r\n")[0].words ==
        std::vector<std::string>{"a\rb"});
  CHECK(parse("").empty());
  CHECK(parse("\n\n# nothing\n\n").empty());
}

TEST_CASE("malformed CoNLL-U is named by its line") {
  const std::string good = row("1", "a", "X");
  CHECK(contains(thrown_message([&] { parse(good + "2\tb\tc\n"); }), "file.conllu:2: 3 columns"));
  CHECK(contains(thrown_message([&] { parse(good + row("x", "b", "X")); }), ":2: id \"x\""));
  CHECK(contains(thrown_message([&] { parse(good + row("1-", "b", "X")); }), ":2: id \"1-\""));
  CHECK(contains(thrown_message([&] { parse(row("1", "", "X")); }), ":1: an empty form"));
  CHECK(contains(thrown_message([&] { parse(good + row("2", "\xFF", "X")); }), ":2: byte 2"));
  CHECK(contains(thrown_message([&] { parse("\uFEFF#\xFF"); }), ":1: byte 4 is not UTF-8"));
  CHECK(contains(thrown_message([&] { parse(good + "\uFEFF" + good); }), ":2: id \"\uFEFF1\""));
  for (const int tabs : {0, 1, 8, 10}) {
    const std::string line = "1" + std::string(static_cast<std::size_t>(tabs), '\t') + "\n";
    CHECK(contains(thrown_message([&] { parse(line); }),
                   ":1: " + std::to_string(tabs + 1) + " columns; expected 10"));
  }
  CHECK_THROWS_AS(read_conllu("no such file"), IoError);
}
