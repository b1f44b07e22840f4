// writer: which character comes next? A language model that writes text, after karpathy/char-rnn.
//   writer train --data input.txt.gz
//   writer run --prompt 'ROMEO:' --length 500 --temperature 0.8
// Without data it makes verses by itself.
#include <fmt/format.h>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/language_model.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

Tokens split(const std::string& text) { return text::split_characters(text); }

Tokens verses() {
  Random random(1);
  const auto pick = [&](std::initializer_list<const char*> of) {
    return std::string(of.begin()[random.below(static_cast<std::uint32_t>(of.size()))]);
  };
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    text += pick({"ANNA", "BRUNO", "CLARA"}) + ":\n" + pick({"O ", "", "Come, "}) +
            pick({"gentle ", "dark ", "my ", "sweet "}) + pick({"night", "river", "king", "song"}) +
            ", " + pick({"bring me ", "I fear ", "remember ", "thou art "}) +
            pick({"sleep", "the sea", "no more", "a crown"}) + pick({".", "!", "?"}) + "\n\n";
  }
  return split(text);
}

Tokens read_characters(const std::string& path) {
  text::LineReader lines(path);
  Tokens tokens;
  for (std::string line; lines.next(line);) {
    for (std::string& c : split(line)) tokens.push_back(std::move(c));
    tokens.emplace_back("\n");
  }
  return tokens;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "writer",
                    .epochs = 10,
                    .batch = 32,
                    .learning_rate = 2e-3,
                    .dropout = 0.3,
                    .embedding = 64,
                    .hidden = 384,
                    .layers = 2,
                    .shards = 2};
  LanguageModelTask task{
      .settings = settings,
      .read = read_characters,
      .generate = verses,
      .split = split,
      .joined = [](const Tokens& tokens) { return fmt::format("{}", fmt::join(tokens, "")); },
      .before = "\n",
      .steps = 100,
      .temperature = 0.8};
  return run_program(language_model_program("Writes text, character by character.", task), argc,
                     argv);
}
