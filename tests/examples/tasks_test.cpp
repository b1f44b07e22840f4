// The programs of examples/tasks, from the outside: each learns what it makes by itself, scores the
// same from its file, answers lines, and says what is wrong with others.
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>

namespace {

using unroll::train::content_of;
using unroll::train::put;
using unroll::train::ScratchDirectory;

struct Ended {
  int status;
  std::string out, err;
};

/// A program of examples/tasks, in a directory of its own.
class Program {
 public:
  explicit Program(const std::string& name) : program_("'" UNROLL_PROGRAMS "/" + name + "'") {}

  Ended call(const std::string& arguments, std::string_view input = "") const {
    put(directory_ / "in", input);
    return shell(program_ + " " + arguments + " <in >out 2>err");
  }
  /// Ends the program by a signal as soon as there is a file of this name.
  Ended call_until(const std::string& file, const std::string& arguments) const {
    return shell(program_ + " " + arguments + " >out 2>err & program=$!; " +                 //
                 "while [ ! -e " + file + " ] && kill -0 $program; do sleep 0.02; done; " +  //
                 "kill -TERM $program; wait $program");
  }
  const ScratchDirectory& directory() const { return directory_; }

 private:
  Ended shell(const std::string& command) const {
    const std::string where = "cd '" + directory_.path().string() + "'\n";
    const int status = std::system((where + command).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(directory_ / "out"),
            content_of(directory_ / "err")};
  }

  std::string program_;
  ScratchDirectory directory_;
};

/// The number behind `name` in a text.
double figure(const std::string& text, const std::string& name) {
  const std::size_t at = text.rfind(name);
  if (at == std::string::npos) throw std::runtime_error("no \"" + name + "\" in: " + text);
  return std::strtod(text.c_str() + at + name.size(), nullptr);
}

/// Trains, and gives what evaluate says, which is what train has said.
std::string learnt(const Program& program, const std::string& options) {
  const Ended trained = program.call("train --quiet " + options);
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.err.empty());
  const Ended evaluated = program.call("evaluate");
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);
  CHECK(contains(evaluated.out, "test: "));
  CHECK(contains(trained.out, evaluated.out));
  return evaluated.out;
}

/// What is wrong with an empty line, a long one and one that is not UTF-8 is said, and the lines
/// before and after them have their answers.
void answers_among_bad_lines(const Program& program, const std::string& line,
                             const std::string& answer) {
  const std::string bad = "\n" + std::string(5000, 'a') + "\nb\xFF\n";
  const Ended ended = program.call("run", line + "\n" + bad + line + "\n");
  INFO(ended.err);
  CHECK(ended.status == 1);
  const std::size_t first = ended.out.find('\n') + 1;
  CHECK(contains(ended.out.substr(0, first), answer));
  CHECK(ended.out == ended.out.substr(0, first) + "\n\n\n" + ended.out.substr(0, first));
  CHECK(contains(ended.err, "line 2: got an empty line; expected "));
  CHECK(contains(ended.err, "line 3: got 5000 bytes; expected at most 4096"));
  CHECK(contains(ended.err, "line 4: byte 2 is not UTF-8"));
  CHECK(contains(ended.err, "3 of 5 lines had no answer"));
}

TEST_CASE("names: classes of texts of characters", "[tasks]") {
  const Program names("names");
  CHECK(figure(learnt(names, "--epochs 2 --hidden 32 --learning-rate 1e-2"), "accuracy ") > 95);
  answers_among_bad_lines(names, "Nakamura", "Nakamura\tIsland ");
  CHECK(contains(names.call("run", "\u4E2D\n").out, "\u4E2D\t"));

  put(names.directory() / "test.tsv", "Nakamura\tIslandic\n");
  CHECK(contains(names.call("evaluate --test test.tsv").err,
                 "got the class \"Islandic\"; expected one of the 4 of the model"));
  put(names.directory() / "test.tsv", "Nakamura\n");
  CHECK(contains(names.call("evaluate --test test.tsv").err, "test.tsv:1"));
  put(names.directory() / "test.tsv", "");
  CHECK(contains(names.call("evaluate --test test.tsv").err,
                 "test.tsv: got no example; expected one at least"));
  CHECK(contains(names.call("evaluate --test none.tsv").err, "none.tsv"));
  CHECK(contains(names.call("run --model none").err, "none"));
  CHECK(contains(names.call("train --model none/at/all").err, "none/at/all: cannot be written"));
  CHECK(names.call("train --epochs nan").status != 0);
  CHECK(names.call("").status != 0);
}

TEST_CASE("names: data of files", "[tasks]") {
  const Program names("names");
  std::string data;
  for (int i = 0; i < 100; ++i) data += i % 2 == 0 ? "abba\tA\n" : "otto\tB\n";
  put(names.directory() / "data.tsv", data);
  const Ended trained =
      names.call("train --quiet --epochs 20 --hidden 8 --learning-rate 1e-2 --data data.tsv");
  INFO(trained.err);
  CHECK(figure(trained.out, "validation: accuracy ") == 100);
  CHECK_FALSE(contains(trained.out, "test: "));
  CHECK(figure(names.call("evaluate --test data.tsv").out, "accuracy ") == 100);
}

TEST_CASE("intents: classes of texts of words", "[tasks]") {
  const Program intents("intents");
  const std::string size =
      "--epochs 2 --hidden 32 --embedding 32 --learning-rate 1e-2 --dropout 0.2";
  CHECK(figure(learnt(intents, size), "accuracy ") > 97);
  answers_among_bad_lines(intents, "will it rain in oslo", "\tweather ");
}

TEST_CASE("tagger: a tag for every word", "[tasks]") {
  const Program tagger("tagger");
  const std::string size = "--epochs 2 --hidden 32 --embedding 32 --layers 1 --learning-rate 1e-2";
  CHECK(figure(learnt(tagger, size), "accuracy ") > 97);
  answers_among_bad_lines(tagger, "the banish traner troness .", "the/DET banish/ADJ traner/NOUN ");
  put(tagger.directory() / "test.conllu", "1\tword\n");
  CHECK(contains(tagger.call("evaluate --test test.conllu").err, "test.conllu:1"));
}

TEST_CASE("words: what comes next, over a text without end", "[tasks]") {
  const Program words("words");
  // The grammar itself has a perplexity of 2.18.
  const std::string size = "--epochs 3 --hidden 32 --embedding 32 --layers 1 --learning-rate 4";
  CHECK(figure(learnt(words, size), "perplexity ") < 2.25);
  const Ended written = words.call("run --prompt 'the dogs near' --length 30 --temperature 0.5");
  CHECK(written.out.starts_with("the dogs near the "));
  CHECK(words.call("run --seed 2").out == words.call("run --seed 2").out);
  CHECK(words.call("run --seed 2").out != words.call("run --seed 3").out);
  CHECK(contains(words.call("run --temperature 0").err, "--temperature"));
  put(words.directory() / "data", "a few words only\n");
  CHECK(contains(words.call("train --data data").err, "tokens; expected more"));
  CHECK(contains(words.call("train --tied --hidden 32 --embedding 16").err, "one width"));
  CHECK(figure(learnt(words, size + " --tied"), "perplexity ") < 2.25);
}

TEST_CASE("writer: text of characters", "[tasks]") {
  const Program writer("writer");
  const std::string size =
      "--epochs 3 --steps 40 --hidden 64 --embedding 16 --layers 1 --dropout 0 --learning-rate "
      "2e-2";
  CHECK(figure(learnt(writer, size), "perplexity ") < 1.4);
  const Ended written = writer.call("run --prompt 'ANNA:' --length 60 --temperature 0.3");
  CHECK(written.out.starts_with("ANNA:\n"));
  CHECK(contains(writer.call("run --prompt '\u4E2D'").out, "\u4E2D"));
  CHECK(contains(writer.call("run --prompt 'A\xFF'").err, "UTF-8"));
  put(writer.directory() / "data", "");
  CHECK(contains(writer.call("train --data data").err, "got a text of 0 tokens"));
}

TEST_CASE("forecast: the next values of a series", "[tasks]") {
  const Program forecast("forecast");
  const std::string plan = "--input 48 --horizon 24 --stride 3";
  const std::string size = " --epochs 5 --hidden 32 --learning-rate 1e-2";
  CHECK(figure(learnt(forecast, plan + size), "MSE ") < 0.25);
  std::string series = "x\n";
  for (int t = 0; t < 50; ++t) series += "1.0\n";
  const Ended future = forecast.call("run", series);
  CHECK(std::ranges::count(future.out, '\n') == 24);
  CHECK(contains(forecast.call("run", "1\n2\n").err, "got 2 rows; expected 48 at least"));
  CHECK(contains(forecast.call("run", "1\nx\n").err, "line 2: got \"x\"; expected a number"));
  CHECK(contains(forecast.call("train --input 50").err, "expected multiples of the segment"));
  CHECK(contains(forecast.call("train --rows 5,5").err, "got 2 numbers; expected 3"));
  CHECK(contains(forecast.call("train --rows 9000,5,9000").err, "a sum of at most 10000"));
  CHECK(contains(forecast.call("evaluate --rows 500,100,100").out, "test: "));
  put(forecast.directory() / "two.csv", "date,a,b\nd,1,2\nd,1,2\n");
  CHECK(
      contains(forecast.call("evaluate --data two.csv").err, "a series of 2 channels; expected 1"));
  CHECK(contains(forecast.call("train --data two.csv").err, "have no window"));
}

TEST_CASE("event_stream: step by step, for any threads, and with a break", "[tasks]") {
  const Program stream("event_stream");
  const std::string options =
      "--quiet --epochs 3 --hidden 16 --batch 128 --learning-rate 2e-2 --model ";
  CHECK(stream.call("train --threads 1 " + options + "one").status == 0);
  const Ended broken = stream.call_until("two.training", "train --threads 3 " + options + "two");
  CHECK(contains(broken.out, "interrupted; --resume goes on"));
  const Ended whole = stream.call("train --resume --threads 2 " + options + "two");
  CHECK(whole.status == 0);
  CHECK(content_of(stream.directory() / "one") == content_of(stream.directory() / "two"));
  CHECK_FALSE(std::filesystem::exists(stream.directory() / "two.training"));

  const Ended evaluated = stream.call("evaluate --model one");
  CHECK(figure(evaluated.out, "accuracy ") > 85);
  CHECK(figure(evaluated.out, "differ by ") < 1e-5);
  CHECK(contains(whole.out, evaluated.out));

  const std::string readings = "1 1 0.1\n1.1,0.4,0.3\n";
  const Ended run = stream.call("run --model one", readings + "\n" + readings + "1 2\n");
  CHECK(run.status == 1);
  CHECK(contains(run.err, "line 6: got 2 numbers; expected 3"));
  const std::size_t half = run.out.find("\n\n") + 1;
  CHECK(run.out == run.out.substr(0, half) + "\n" + run.out.substr(0, half) + "\n");
  CHECK(contains(run.out, "slipping "));
}

TEST_CASE("long_memory: adding and copying", "[tasks]") {
  const Program memory("long_memory");
  const std::string adding = "--steps 10 --epochs 4 --hidden 32 --learning-rate 1e-2";
  CHECK(figure(learnt(memory, adding), "new sequences ") < 0.02);
  const Ended sum = memory.call("run", "0.5* 0.9 0.1 0.3 0.7 0.25* 0.6 0.2 0.4 0.8\n");
  CHECK(std::stod(sum.out) == Approx(0.75).margin(0.25));
  CHECK(contains(memory.call("run", "0.5 0.1*\n").err, "got 1 marked numbers; expected 2"));
  const std::string gradients = memory.call("evaluate --gradients --steps 100").out;
  CHECK(contains(gradients, "LSTM, forget gates open"));

  const std::string copy = "--task copy --cell lstm --steps 2 --epochs 1 --hidden 32";
  CHECK(figure(learnt(memory, copy), "new sequences ") < 2.079);
  CHECK(memory.call("run", "0 1 2 3 4 5 6 7 0 1\n").out.size() == 20);
  CHECK(contains(memory.call("train --task sorting").err, "expected adding or copy"));
  CHECK(contains(memory.call("train --cell tcn").err, "expected rnn, gru or lstm"));
}

TEST_CASE("captions: sentences for vectors", "[tasks]") {
  const Program captions("captions");
  CHECK(figure(learnt(captions, "--epochs 3 --hidden 64 --learning-rate 1e-2"), "test: ") > 80);
  CHECK(contains(captions.call("run --sample 2").out, "(is: a "));
  std::string vector;
  for (int i = 0; i < 20; ++i) vector += "0.5 ";
  const Ended run = captions.call("run", vector + "\n1 2 3\n\n");
  CHECK(run.out.starts_with("a "));
  CHECK(contains(run.err, "line 2: got a vector of 3 numbers; expected 20"));
  CHECK(contains(run.err, "line 3: got an empty line; expected numbers"));
}

TEST_CASE("spelling: from characters to sounds", "[tasks]") {
  const Program spelling("spelling");
  const std::string size = "--epochs 4 --hidden 64 --embedding 32 --dropout 0 --learning-rate 1e-2";
  CHECK(figure(learnt(spelling, size), "test: ") > 90);
  answers_among_bad_lines(spelling, "bana", "b a n a");
  spelling.call("evaluate --output found");
  CHECK(std::ranges::count(content_of(spelling.directory() / "found"), '\n') == 1000);
  put(spelling.directory() / "korean", "\uD55C\th a n\n\uD558\th a\n");
  const std::string tiny = "--valid korean --epochs 1 --hidden 4 --embedding 4 --model m ";
  for (const std::string decompose : {"", "--decompose"}) {
    REQUIRE(spelling.call("train --quiet --data korean " + tiny + decompose).status == 0);
    const bool jamo = contains(content_of(spelling.directory() / "m"), "\u1112");
    CHECK(jamo == !decompose.empty());
  }
}

TEST_CASE("commands: from words to actions", "[tasks]") {
  const Program commands("commands");
  const std::string size = "--epochs 3 --batch 32 --hidden 64 --embedding 32 --learning-rate 1e-2";
  CHECK(figure(learnt(commands, size), "test: ") > 60);
  answers_among_bad_lines(commands, "walk", "I_WALK");
  put(commands.directory() / "data", "jump\tI_JUMP\n");
  CHECK(contains(commands.call("train --data data").err, "data:1: expected \"IN: words OUT: "));
}

}  // namespace
