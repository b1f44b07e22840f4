// writer: a language model of characters that writes text, after karpathy/char-rnn.
//   writer train --data input.txt.gz
//   writer run --prompt 'ROMEO:' --length 500 --temperature 0.8
// Of a file, the last tenth is for testing and 5 % of what is before it for validation. Without
// data it makes verses by itself.
#include <fmt/format.h>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/language_model.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

std::string verses() {
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
  return text;
}

std::vector<std::string> split_characters(const std::string& text) {
  std::vector<std::string> result;
  for (const char32_t c : text::decode_utf8(text)) result.push_back(text::encode_utf8({&c, 1}));
  return result;
}

/// The characters of part 0, 1 or 2: training, validation, test.
std::vector<std::string> characters(const std::string& path, int part) {
  std::string text;
  if (path.empty()) {
    text = verses();
  } else {
    text::LineReader lines(path);
    for (std::string line; lines.next(line);) text += line + "\n";
  }
  const std::vector<std::string> all = split_characters(text);
  const std::size_t test = all.size() * 9 / 10, valid = test * 95 / 100;
  const std::size_t begin = part == 0 ? 0 : part == 1 ? valid : test;
  const std::size_t end = part == 0 ? valid : part == 1 ? test : all.size();
  return {all.begin() + static_cast<std::ptrdiff_t>(begin),
          all.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "writer.safetensors",
                    .epochs = 10,
                    .batch = 32,
                    .learning_rate = 2e-3,
                    .dropout = 0.3,
                    .embedding = 64,
                    .hidden = 384,
                    .layers = 2,
                    .shards = 2};
  LanguageModelTask task{.settings = settings,
                         .tokens = characters,
                         .split = split_characters,
                         .separator = "",
                         .steps = 100,
                         .temperature = 0.8};
  return run_program({.name = "writer",
                      .what = "Writes text, character by character.",
                      .settings = settings,
                      .options = options_of(task),
                      .train = [&] { train_language_model(task); },
                      .evaluate = [&] { evaluate_language_model(task); },
                      .run = [&] { write_text(task); }},
                     argc, argv);
}
