// tagger: which part of speech is each word? Many-to-many of the same length, over words and the
// characters that they are written with (Plank, Sogaard, Goldberg 2016).
//   tagger train --data en_ewt-ud-train.conllu.gz --valid en_ewt-ud-dev.conllu.gz
//                --test en_ewt-ud-test.conllu.gz
//   echo 'The old man the boats .' | tagger run
// Without data it makes sentences of a small invented language by itself.
#include <fmt/format.h>

#include <map>

#include <unroll/examples/tasks/parts/examples.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/tagger_model.h>
#include <unroll/text/utf8.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;
using text::TaggedSentence;

/// Words whose endings tell their tag, but for the homonyms.
std::vector<TaggedSentence> generate(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  const auto pick = [&](std::initializer_list<const char*> of) {
    return std::string(of.begin()[random.below(static_cast<std::uint32_t>(of.size()))]);
  };
  const auto stem = [&] {
    return pick({"b", "tr", "k", "sl", "m"}) + pick({"a", "o", "i", "e"}) +
           pick({"n", "rt", "ll", "s"});
  };
  std::vector<TaggedSentence> result(count);
  for (TaggedSentence& sentence : result) {
    const auto add = [&](const std::string& word, const char* tag) {
      sentence.words.push_back(word);
      sentence.tags.emplace_back(tag);
    };
    const auto noun_phrase = [&] {
      add(pick({"the", "a"}), "DET");
      if (random.below(2) == 0) add(stem() + "ish", "ADJ");
      add(stem() + pick({"er", "tion", ""}), "NOUN");
    };
    noun_phrase();
    if (random.below(3) == 0) add(stem() + "ly", "ADV");
    add(stem() + pick({"es", ""}), "VERB");
    noun_phrase();
    add(".", "PUNCT");
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.name = "tagger",
                    .epochs = 10,
                    .batch = 32,
                    .dropout = 0.4,
                    .embedding = 128,
                    .hidden = 160,
                    .layers = 2};
  double word_dropout = 0.15;
  const Source<TaggedSentence> source{
      .read = [](const std::string& path) { return text::read_conllu(path); },
      .generate = generate,
      .generated = 2300};
  const auto evaluate = [&] {
    const Tagger model = Tagger::load(settings);
    const double right = model.accuracy(source.test(settings), settings.threads);
    fmt::print("test: accuracy {:.2f} %\n", 100 * right);
  };
  const auto train = [&] {
    const Split<TaggedSentence> sentences = source.training(settings);
    Tagger model = Tagger::learn(settings, sentences.training);
    const train::Task task{
        .batches = shuffled(settings, sentences.training.size()),
        .loss =
            [&](Tape& tape, train::Examples part) {
              return model.loss(tape, sentences.training, part, word_dropout);
            },
        .weight =
            [&](train::Examples part) {
              double words = 0;
              for (const std::size_t i : part) {
                words += static_cast<double>(sentences.training[i].words.size());
              }
              return words;
            },
        .validate =
            [&] {
              return score_of_accuracy(model.accuracy(sentences.validation, settings.threads));
            }};
    train_model(settings, model.parameters, task, model.metadata(settings));
    fmt::print("validation: accuracy {:.2f} %\n",
               100 * model.accuracy(sentences.validation, settings.threads));
    if (source.has_test(settings)) evaluate();
  };
  const auto run = [&] {
    const Tagger model = Tagger::load(settings);
    answer_lines("words", [&](const std::string& line) {
      const TaggedSentence sentence{text::split_on_space(line), {}};
      std::string answer;
      const auto tags = model.tag({sentence}, 1).front();
      for (std::size_t t = 0; t < tags.size(); ++t) {
        answer += (t == 0 ? "" : " ") + sentence.words[t] + "/" + model.tags.token(tags[t]);
      }
      return answer;
    });
  };
  return run_program(
      {.what = "Tags the words of sentences with their parts of speech.",
       .settings = settings,
       .train = {train, {{"--word-dropout", "words become unknown so often", &word_dropout, 0, 1}}},
       .evaluate = {evaluate},
       .run = {run}},
      argc, argv);
}
