// spelling: how is a word pronounced? Encoder-decoder over characters.
//   spelling train --data eng_us_train.tsv.gz --valid eng_us_dev.tsv --test eng_us_test.tsv
//   echo through | spelling run
// Lines are word<TAB>sounds with spaces between. Without data it makes words of an invented
// language, whose letters sound by their neighbours.
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/pairs.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

/// "sh" is one sound, a vowel before "e" at the end is long and the "e" silent, "c" is soft before
/// "i" and "e".
std::vector<text::SentencePair> generate(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  const auto pick = [&](const std::string& of) {
    return of[random.below(static_cast<std::uint32_t>(of.size()))];
  };
  std::vector<text::SentencePair> pairs(count);
  for (text::SentencePair& pair : pairs) {
    std::string& word = pair.source;
    for (std::uint32_t syllables = 1 + random.below(3); syllables > 0; --syllables) {
      word += random.below(5) == 0 ? std::string("sh") : std::string(1, pick("bcdfgklmnprst"));
      word += pick("aeiou");
      if (random.below(2) == 0) word += pick("nrst");
    }
    if (random.below(3) == 0) word += std::string(1, pick("tkn")) + "e";
    for (std::size_t i = 0; i < word.size(); ++i) {
      const char next = i + 1 < word.size() ? word[i + 1] : ' ';
      std::string sound(1, word[i]);
      if (word[i] == 's' && next == 'h') {
        sound = "S";
        ++i;
      } else if (word[i] == 'c') {
        sound = next == 'i' || next == 'e' ? "s" : "k";
      } else if (i + 3 == word.size() && word.back() == 'e') {
        sound += ":";
      } else if (i + 1 == word.size() && i > 1 && word[i] == 'e') {
        continue;
      }
      pair.target += (pair.target.empty() ? "" : " ") + sound;
    }
  }
  return pairs;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "spelling",
                    .epochs = 20,
                    .batch = 64,
                    .learning_rate = 2e-3,
                    .weight_decay = 0,
                    .dropout = 0.3,
                    .embedding = 96,
                    .hidden = 160};
  const auto read = [](const std::string& path) {
    return text::read_corpus(path, {.bad_line = text::BadLine::stop}).pairs;
  };
  PairsTask task{.settings = settings,
                 .from = text::TokenizerKind::characters,
                 .to = text::TokenizerKind::spaces,
                 .source = {.read = read, .generate = generate, .held_out = 20}};
  return run_program(pairs_program("Pronounces words.", task), argc, argv);
}
