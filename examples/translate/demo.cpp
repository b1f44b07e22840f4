// translate demo: corpus from the grammar, training, scores on three held-out sets, samples.
#include <fmt/format.h>

#include <unroll/examples/translate/commands.h>
#include <unroll/examples/translate/grammar.h>
#include <unroll/examples/translate/scoring.h>
#include <unroll/train/atomic_file.h>

namespace unroll::translate {

namespace {

std::vector<std::string> column(const std::vector<SentencePair>& pairs,
                                std::string SentencePair::*side) {
  std::vector<std::string> result;
  for (const SentencePair& pair : pairs) result.push_back(pair.*side);
  return result;
}

}  // namespace

int run(const DemoCommand& command) {
  train::expect_writable(command.model);
  const DemoCorpus corpus = make_demo_corpus(command.seed);
  const std::vector<SentencePair>& pairs = corpus.train;
  Languages languages = Languages::learn(pairs, {.tokenizer = {}, .vocabulary = {}});
  fmt::print("English-French from a grammar: {} training pairs, {} English and {} French words\n",
             pairs.size(), languages.source.vocabulary.size(), languages.target.vocabulary.size());

  // The last tenth of the training pairs decides which epoch is kept; the held-out sets do not.
  std::vector<Example> training = languages.encode(pairs);
  const std::size_t kept = training.size() * 9 / 10;
  const std::vector<Example> validation(training.begin() + static_cast<std::ptrdiff_t>(kept),
                                        training.end());
  training.resize(kept);

  Translator translator(std::move(languages), {.embedding = 96, .hidden = 160, .dropout = 0.1},
                        command.seed);
  const train::FitSummary summary = train(translator, training, validation,
                                          {.epochs = 30,
                                           .minutes = command.minutes,
                                           .batch_tokens = 1024,
                                           .learning_rate = 4e-3,
                                           .warmup_steps = 100,
                                           .label_smoothing = 0.05,
                                           .patience = 30,
                                           .threads = command.threads,
                                           .bf16 = command.bf16,
                                           .seed = command.seed},
                                          command.model);
  fmt::print("trained {} epochs, {} steps, {:.0f} s\n\n", summary.epochs, summary.steps,
             summary.seconds);

  const std::pair<const char*, std::vector<SentencePair>> sets[] = {
      {"ordinary sentences", corpus.ordinary},
      {"unseen word combinations", corpus.unseen_combinations},
      {"longer than any trained", corpus.longer}};
  for (const auto& [name, set] : sets) {
    const auto translations =
        translator.translate_all(column(set, &SentencePair::source), {}, command.threads);
    fmt::print("{:<26} {}\n", name,
               to_string(score(translations, column(set, &SentencePair::target))));
  }

  fmt::print("\n");
  for (std::size_t i = 0; i < 10; ++i) {
    const SentencePair& pair = corpus.ordinary[i * corpus.ordinary.size() / 10];
    const std::string found = translator.translate(pair.source, {}).front().text;
    fmt::print("  {}\n    -> {}{}\n", pair.source, found,
               found == pair.target ? "" : "   (expected: " + pair.target + ")");
  }
  fmt::print(
      "\nThe model is in {}. Try:\n  echo 'The big dog is not sleeping.' | "
      "./run translate run --model {} --attention\n",
      command.model, command.model);
  return 0;
}

}  // namespace unroll::translate
