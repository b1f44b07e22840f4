// words: which word comes next? A language model, after Zaremba, Sutskever, Vinyals (2014).
//   words train --data ptb.train.txt.gz --valid ptb.valid.txt.gz --test ptb.test.txt.gz
//   words run --prompt 'the company said' --length 40
// One sentence a line, words separated by spaces. Without data it makes sentences of a small
// grammar by itself.
#include <fmt/format.h>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/language_model.h>
#include <unroll/text/line_reader.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

constexpr const char* kEnd = "</s>";  ///< of a sentence

/// Sentences whose verbs agree with their subjects, across a clause in between.
Tokens generate() {
  Random random(1);
  const auto pick = [&](std::initializer_list<const char*> of) {
    return of.begin()[random.below(static_cast<std::uint32_t>(of.size()))];
  };
  Tokens tokens;
  for (int i = 0; i < 9000; ++i) {
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

Tokens read_words(const std::string& path) {
  text::LineReader lines(path);
  Tokens tokens;
  for (std::string line; lines.next(line);) {
    for (std::string& word : text::split_on_space(line)) {
      tokens.push_back(word == "<unk>" ? "<rare>" : std::move(word));
    }
    tokens.emplace_back(kEnd);
  }
  return tokens;
}

/// A sentence a line.
std::string joined(const Tokens& words) {
  std::string text;
  for (const std::string& word : words) {
    if (word == kEnd) {
      text += '\n';
    } else {
      text += (text.empty() || text.back() == '\n' ? "" : " ") + word;
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "words",
                    .epochs = 13,
                    .batch = 20,
                    // Of the mean over the tokens: the paper's 1 and 5 are of sums over 20 steps.
                    .learning_rate = 20,
                    .clip_norm = 0.25,
                    .embedding = 200,
                    .hidden = 200,
                    .layers = 2,
                    .shards = 2};
  LanguageModelTask task{
      .settings = settings,
      .read = read_words,
      .generate = generate,
      .split = [](const std::string& text) { return text::split_on_space(text); },
      .joined = joined,
      .before = kEnd,
      .steps = 20,
      .init = 0.1,
      .sgd = true};
  return run_program(language_model_program("A language model of words.", task), argc, argv);
}
