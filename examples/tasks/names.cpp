// names: which language is a surname from? Many-to-one over characters.
//   names train --data train.tsv --valid valid.tsv --test test.tsv    (name<TAB>language)
//   echo Nakamura | names run
// Without data it makes names by itself, from the syllables of four invented languages.
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/classifier.h>
#include <unroll/text/tokenizer.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

struct Sounds {
  const char* language;
  std::vector<std::string> first, middle, last;
};

std::vector<Labelled> generate(std::size_t count, std::uint64_t seed) {
  static const std::vector<Sounds> languages{{"Northern",
                                              {"Sver", "Thor", "Hal", "Ing", "Gud"},
                                              {"", "ge", "va", "un"},
                                              {"sen", "sson", "strom", "vik"}},
                                             {"Eastern",
                                              {"Pet", "Vol", "Mak", "Sor", "Bor"},
                                              {"ro", "ko", "i", "a"},
                                              {"vich", "ov", "enko", "sky"}},
                                             {"Southern",
                                              {"Bel", "Mar", "Fer", "Ros", "Gal"},
                                              {"li", "ra", "tti", "ni"},
                                              {"ni", "ello", "ardo", "ucci"}},
                                             {"Island",
                                              {"Ka", "Ta", "Naka", "Yo", "Mi"},
                                              {"shi", "ka", "mu", "ra"},
                                              {"moto", "yama", "da", "saki"}}};
  Random random(seed);
  const auto pick = [&](const std::vector<std::string>& of) {
    return of[random.below(static_cast<std::uint32_t>(of.size()))];
  };
  std::vector<Labelled> names;
  for (std::size_t i = 0; i < count; ++i) {
    const Sounds& sounds = languages[random.below(static_cast<std::uint32_t>(languages.size()))];
    // One name in ten has a foreign ending.
    const Sounds& ending =
        random.below(10) == 0
            ? languages[random.below(static_cast<std::uint32_t>(languages.size()))]
            : sounds;
    names.push_back(
        {pick(sounds.first) + pick(sounds.middle) + pick(ending.last), sounds.language});
  }
  return names;
}

std::vector<std::string> characters(const std::string& name) {
  static const text::Tokenizer tokenizer({.kind = text::TokenizerKind::characters});
  return tokenizer.tokenize(name);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{
      .name = "names", .epochs = 12, .dropout = 0.3, .embedding = 64, .hidden = 128, .layers = 1};
  const ClassifierTask task{
      .settings = settings,
      .tokens = characters,
      .source = {.read = [](const std::string& path) { return read_labelled(path, 1); },
                 .generate = generate}};
  return run_program({.what = "Guesses the language of a surname, character by character.",
                      .settings = settings,
                      .train = {[&] { train_classifier(task); }},
                      .evaluate = {[&] { evaluate_classifier(task); }},
                      .run = {[&] { run_classifier(task); }}},
                     argc, argv);
}
