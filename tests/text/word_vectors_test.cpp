#include <unroll/text/word_vectors.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/embedding.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/temporary_file.h>

using namespace unroll;
using namespace unroll::text;

namespace {

const Vocabulary& vocabulary() {
  static const Vocabulary words({"cat", "dog", "\u00E9t\u00E9", ". ."});
  return words;
}

WordVectors read(std::string_view bytes, const WordVectorOptions& options = {}) {
  const TemporaryFile file(bytes, ".vec");
  return read_word_vectors(file.path(), vocabulary(), options);
}

/// The message of the IoError for these bytes, behind the name of the file.
std::string fault(std::string_view bytes, const WordVectorOptions& options = {}) {
  const TemporaryFile file(bytes, ".vec");
  CHECK_THROWS_AS(read_word_vectors(file.path(), vocabulary(), options), IoError);
  const std::string message =
      thrown_message([&] { read_word_vectors(file.path(), vocabulary(), options); });
  const std::string front = "read_word_vectors: " + file.path().string() + ":";
  CHECK(message.starts_with(front));
  return message.substr(std::min(front.size(), message.size()));
}

using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("read_word_vectors takes the words of the vocabulary, with or without a header") {
  const std::string good = "dog 1 -2.5\nbird x y\n\u00E9t\u00E9 1e-3 0\n<unk> 9 9\n";
  for (const std::string& bytes :
       {good, "4 2\n" + good, "\xEF\xBB\xBF" + good, "\xEF\xBB\xBF" + ("4 2\r\n" + good),
        std::string("dog 1 -2.5 \r\nbird x y \r\n\u00E9t\u00E9 1e-3 0 \r\n<unk> 9 9")}) {
    const WordVectors vectors = read(bytes);
    CHECK(vectors.ids == Ids{5, 6});
    CHECK(vectors.rows.identical(Tensor(Shape{2, 2}, {1.F, -2.5F, 1e-3F, 0.F})));
    CHECK(vectors.words == 4);
    CHECK(vectors.duplicates.empty());
  }
}

TEST_CASE("read_word_vectors takes the first vector of a word and reports the others") {
  const WordVectors vectors = read("cat 1\nbird 5\nbird 6\ncat 2\ndog 3\ncat 4\n");
  CHECK(vectors.ids == Ids{4, 5});
  CHECK(vectors.rows.identical(Tensor(Shape{2, 1}, {1.F, 3.F})));
  CHECK(vectors.duplicates == std::vector<std::string>{"cat", "cat"});
  CHECK(vectors.words == 6);
}

TEST_CASE("read_word_vectors of words with spaces") {
  const std::string lines = ". . 1 2\n. . . 3 4\ncat 5 6\n";
  const WordVectors vectors = read(lines, {.width = 2, .spaces_in_words = true});
  CHECK(vectors.ids == Ids{7, 4});
  CHECK(vectors.rows.identical(Tensor(Shape{2, 2}, {1.F, 2.F, 5.F, 6.F})));
  CHECK(read("3 2\n" + lines, {.spaces_in_words = true}).words == 3);
  CHECK(
      contains(fault(lines, {.width = 2}), "1: byte 7: the line ends with 3 numbers; expected 2"));
  CHECK_THROWS_AS(read(lines, {.spaces_in_words = true}), ValueError);
}

TEST_CASE("read_word_vectors of a file with nothing for the vocabulary") {
  CHECK(read("").ids.empty());
  CHECK(read("").rows.size() == 0);
  CHECK(read("0 3\n").rows.shape() == Shape{0, 3});
  const WordVectors vectors = read("bird 1 2\n");
  CHECK(vectors.rows.shape() == Shape{0, 2});
  CHECK(vectors.words == 1);
}

TEST_CASE("read_word_vectors names file, line and byte of what is wrong") {
  CHECK(contains(fault("cat 1 2\ndog 1\n"), "2: byte 5: the line ends with 1 numbers; expected 2"));
  CHECK(contains(fault("cat 1 2\ndog 1 2 3\n"), "2: byte 9: the line ends with 3 numbers"));
  CHECK(contains(fault("cat 1 2\n\n"), "2: byte 0: the line ends with 0 numbers"));
  CHECK(contains(fault("cat\n"), "1: byte 3: the line ends with 0 numbers; expected one or more"));
  CHECK(contains(fault("2 2\ncat 1 2\ndog 1 z2\n"),
                 "3: byte 6: got \"z2\"; expected a finite number"));
  CHECK(contains(fault("cat 1 2x\n"), "1: byte 6: got \"2x\""));
  CHECK(contains(fault("cat 1  2\n", {.width = 3}), "1: byte 6: got \"\""));
  CHECK(contains(fault("cat 1 nan\n"), "got \"nan\""));
  CHECK(contains(fault("cat 1 1e39\n"), "got \"1e39\""));
  CHECK(contains(fault(" 1 2\n"), "1: byte 0: the word is empty"));
  CHECK(contains(fault("\xEF\xBB\xBFx\xFF 1 2\n"), "1: byte 4: ill-formed UTF-8"));
  CHECK(
      contains(fault("3 2\ncat 1 2\ndog 1 2\n"), "the file has 2 words; expected 3 by its header"));
  CHECK(contains(fault("1 2\ncat 1 2\ndog 1 2\n"), "the file has 2 words; expected 1"));
  CHECK(contains(fault("1 2\ncat 1 2\n", {.width = 3}),
                 "1: the header announces 2 numbers; expected 3"));
  CHECK(contains(fault("1 0\ncat\n"), "1: the header announces 0 numbers; expected one or more"));
  CHECK(contains(fault("cat 1 2\n", {.width = 3}),
                 "1: byte 7: the line ends with 2 numbers; expected 3"));
  CHECK_THROWS_AS(read("", {.width = -1}), ValueError);
  CHECK_THROWS_AS(read_word_vectors("no such file", vocabulary()), IoError);
}

TEST_CASE("word vectors become an embedding, which may be frozen") {
  const WordVectors vectors = read("dog 1 2\ncat 3 4\n");
  const auto count = static_cast<std::int64_t>(vocabulary().size());
  nn::ParameterSet parameters(1);
  const nn::Embedding plain(parameters.scope("e"), count, 2, {.padding_idx = kPad});
  nn::ParameterSet same(1);
  const nn::Embedding embedding(
      same.scope("e"), count, 2,
      {.padding_idx = kPad,
       .initializer = nn::init::with_rows(nn::init::normal(), vectors.ids, vectors.rows),
       .frozen = true});
  const Tensor table = embedding.weight.value(), drawn = plain.weight.value();
  for (std::int64_t i = 0; i < table.size(); ++i) {
    const bool given = i / 2 == vocabulary().id("cat") || i / 2 == vocabulary().id("dog");
    CHECK((table.at(i) == drawn.at(i)) != given);
  }
  CHECK(table.at(2 * vocabulary().id("dog") + 1) == 2);

  const Parameter scale = same.create("scale", Tensor::full({2}, 2));
  Tape tape;
  const Variable ids = tape.input(Tensor(Shape{2}, {vocabulary().id("cat"), vocabulary().id("x")}));
  const Gradients found = gradients(sum(embedding(ids) * scale), same);
  CHECK_FALSE(found.contains(embedding.weight));
  CHECK(found.contains(scale));
  CHECK(found[scale].at(0) == Approx(3 + table.at(2 * kUnk)));
  CHECK(gradients(sum(plain(ids)), parameters).contains(plain.weight));
}
