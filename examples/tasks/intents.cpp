// intents: what does a sentence ask for? Many-to-one over words.
//   intents train --data train.tsv.gz --valid val.tsv --test test.tsv.gz    (intent<TAB>text)
//   echo 'what is my balance' | intents run
// Without data it makes sentences by itself, from the templates below.
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/classifier.h>
#include <unroll/text/tokenizer.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

struct Intent {
  const char* name;
  std::vector<std::string> templates;  ///< "{}" becomes a thing
  std::vector<std::string> things;
};

const std::vector<Intent>& intents() {
  static const std::vector<Intent> all{
      {"weather",
       {"will it rain in {}", "how warm is it in {} today", "is there snow in {}",
        "do i need an umbrella in {}"},
       {"paris", "oslo", "the mountains", "my town"}},
      {"alarm",
       {"wake me at {}", "set an alarm for {}", "i want to get up at {}", "ring the bell at {}"},
       {"seven", "half past six", "noon", "ten tomorrow"}},
      {"music",
       {"play {}", "i want to hear {}", "put on {} please", "next song after {}"},
       {"some jazz", "the blue album", "a waltz", "my list"}},
      {"balance",
       {"how much is on {}", "what is left on {}", "show me the state of {}",
        "do i have money on {}"},
       {"my account", "the savings book", "the blue card", "our account"}},
      {"travel",
       {"when does the train to {} leave", "book a seat to {}", "how do i get to {}",
        "a ticket to {}"},
       {"paris", "oslo", "the sea", "the mountains"}}};
  return all;
}

std::vector<Labelled> generate(std::size_t count, std::uint64_t seed) {
  static const std::vector<std::string> before{"", "hello ", "please tell me ", "well "};
  static const std::vector<std::string> after{"", " now", " please", " thank you"};
  Random random(seed);
  const auto pick = [&](const auto& of) {
    return of[random.below(static_cast<std::uint32_t>(of.size()))];
  };
  std::vector<Labelled> sentences;
  for (std::size_t i = 0; i < count; ++i) {
    const Intent intent = pick(intents());
    std::string text = pick(intent.templates);
    text.replace(text.find("{}"), 2, pick(intent.things));
    sentences.push_back({pick(before) + text + pick(after), intent.name});
  }
  return sentences;
}

std::vector<std::string> words(const std::string& text) {
  static const text::Tokenizer tokenizer({.kind = text::TokenizerKind::words, .lower_case = true});
  return tokenizer.tokenize(text);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "intents",
                    .epochs = 15,
                    .dropout = 0.5,
                    .embedding = 128,
                    .hidden = 192,
                    .layers = 1};
  ClassifierTask task{
      .settings = settings,
      .tokens = words,
      .source = {.read = [](const std::string& path) { return read_labelled(path, 0); },
                 .generate = generate},
      .token_dropout = 0.1};
  return run_program(
      {.what = "Guesses what a sentence asks for, word by word.",
       .settings = settings,
       .train = {[&] { train_classifier(task); },
                 {{"--word-dropout", "words become unknown so often", &task.token_dropout, 0, 1}}},
       .evaluate = {[&] { evaluate_classifier(task); }},
       .run = {[&] { run_classifier(task); }}},
      argc, argv);
}
