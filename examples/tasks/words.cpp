// words: a language model of words, after Zaremba, Sutskever, Vinyals (2014).
//   words train --data ptb.train.txt.gz --valid ptb.valid.txt.gz --test ptb.test.txt.gz
//   words run --prompt 'the company said' --length 40
// One sentence a line, words separated by spaces; <eos> ends each. Without data it makes sentences
// of a small grammar by itself.
#include <fmt/format.h>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/language_model.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

constexpr const char* kEnd = "</s>";

/// Sentences whose verbs agree with their subjects, across a clause in between.
std::vector<std::string> generate(int part) {
  Random random(static_cast<std::uint64_t>(part) + 1);
  const auto pick = [&](std::initializer_list<const char*> of) {
    return of.begin()[random.below(static_cast<std::uint32_t>(of.size()))];
  };
  std::vector<std::string> tokens;
  for (int i = 0; i < (part == 0 ? 8000 : 800); ++i) {
    const bool many = random.below(2) == 0;
    tokens.insert(tokens.end(),
                  {"the", many ? pick({"dogs", "cats", "birds"}) : pick({"dog", "cat", "bird"})});
    if (random.below(2) == 0) {
      tokens.insert(tokens.end(), {"near", "the", pick({"trees", "house", "rivers", "road"})});
    }
    tokens.insert(
        tokens.end(),
        {many ? pick({"sleep", "run", "sing"}) : pick({"sleeps", "runs", "sings"}), kEnd});
  }
  return tokens;
}

std::vector<std::string> read_words(const std::string& path, int part) {
  if (path.empty()) return generate(part);
  text::LineReader lines(path);
  std::vector<std::string> tokens;
  for (std::string line; lines.next(line);) {
    for (std::string& word : text::split_on_space(line)) {
      tokens.push_back(word == "<unk>" ? "<rare>" : std::move(word));
    }
    tokens.emplace_back(kEnd);
  }
  return tokens;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "words.safetensors",
                    .epochs = 13,
                    .batch = 20,
                    .learning_rate = 1,
                    .clip_norm = 5,
                    .dropout = 0,
                    .embedding = 200,
                    .hidden = 200,
                    .layers = 2,
                    .shards = 2};
  LanguageModelTask task{.settings = settings,
                         .tokens = read_words,
                         .split = [](const auto& text) { return text::split_on_space(text); },
                         .steps = 20,
                         .init = 0.1,
                         .sgd = true};
  return run_program({.name = "words",
                      .what = "A language model of words.",
                      .settings = settings,
                      .options = options_of(task),
                      .train = [&] { train_language_model(task); },
                      .evaluate = [&] { evaluate_language_model(task); },
                      .run = [&] { write_text(task); }},
                     argc, argv);
}
