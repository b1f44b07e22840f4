// From one sequence to another: training, scoring and use of a Translator.
#include <unroll/examples/tasks/pairs.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/translate/trainer.h>
#include <unroll/examples/translate/translator.h>

namespace unroll::tasks {

namespace {

using translate::Translator;
using Pairs = std::vector<text::SentencePair>;

/// The fewest insertions, deletions and substitutions between two sequences (Levenshtein 1966).
std::size_t edits(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t before = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t same = before + (a[i - 1] == b[j - 1] ? 0 : 1);
      before = row[j];
      row[j] = std::min({same, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

void score(const PairsTask& task, const Translator& translator, const Pairs& pairs) {
  std::vector<std::string> sources;
  for (const auto& pair : pairs) sources.push_back(pair.source);
  const auto found = translator.translate_all(sources, {.beam = static_cast<int>(task.beam)},
                                              task.settings.threads);
  const text::Tokenizer& tokenizer = translator.languages().target.tokenizer;
  double right = 0, wrong_tokens = 0, tokens = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto wanted = tokenizer.tokenize(pairs[i].target);
    const std::size_t distance = edits(tokenizer.tokenize(found[i]), wanted);
    right += distance == 0 ? 1 : 0;
    wrong_tokens += static_cast<double>(distance);
    tokens += static_cast<double>(wanted.size());
  }
  const double count = static_cast<double>(pairs.size());
  fmt::print(
      "test: {:.2f} % exact, error rate {:.2f} % of {} sequences, {:.2f} % of their tokens\n",
      100 * right / count, 100 - 100 * right / count, pairs.size(), 100 * wrong_tokens / tokens);
  if (task.output.empty()) return;
  std::ofstream out(task.output);
  for (const std::string& line : found) out << line << '\n';
  if (!out.flush()) throw IoError(task.output + ": cannot be written");
}

Pairs test_pairs(const PairsTask& task) {
  return task.settings.test.empty() ? task.generate(500, 77) : task.read(task.settings.test);
}

}  // namespace

void train_pairs(const PairsTask& task) {
  const Settings& s = task.settings;
  Pairs pairs = s.data.empty() ? task.generate(4000, mix(s.seed, 1)) : task.read(s.data);
  Pairs valid;
  if (!s.valid.empty()) {
    valid = task.read(s.valid);
  } else {
    const auto order = train::shuffled_batches(pairs.size(), pairs.size(), s.seed, 0).at(0);
    Pairs kept;
    for (std::size_t k = 0; k < order.size(); ++k) {
      (k % 20 == 0 ? valid : kept).push_back(pairs[order[k]]);
    }
    pairs = std::move(kept);
  }
  auto languages =
      translate::Languages::learn(pairs, {.tokenizer = {.kind = task.source}, .vocabulary = {}},
                                  {.tokenizer = {.kind = task.target}, .vocabulary = {}});
  const auto training = languages.encode(pairs), held_out = languages.encode(valid);
  std::size_t tokens = 0;
  for (const auto& example : training)
    tokens += std::max(example.source.size(), example.target.size() + 1);

  Translator translator(std::move(languages),
                        {.embedding = s.embedding, .hidden = s.hidden, .dropout = s.dropout},
                        s.seed);
  const std::string snapshot = s.model + ".training";
  if (!s.resume) std::filesystem::remove(snapshot);
  const auto summary = translate::train(
      translator, training, held_out,
      {.epochs = s.epochs,
       .minutes = s.minutes,
       .batch_tokens = static_cast<std::int64_t>(s.batch * tokens / training.size()),
       .learning_rate = s.learning_rate,
       .warmup_steps = 200,
       .label_smoothing = task.label_smoothing,
       .clip_norm = s.clip_norm,
       .patience = s.patience,
       .shards = s.shards,
       .threads = s.threads,
       .seed = s.seed,
       .snapshot = snapshot,
       .quiet = s.quiet},
      s.model);
  if (!summary.interrupted) std::filesystem::remove(snapshot);
  fmt::print("{}: best epoch {} of {}, {} steps, {:.0f} s\n", s.model, summary.best_epoch,
             summary.epochs, summary.steps, summary.seconds);
  score(task, translator, test_pairs(task));
}

void evaluate_pairs(const PairsTask& task) {
  score(task, Translator::load(task.settings.model), test_pairs(task));
}

void run_pairs(const PairsTask& task) {
  const Translator translator = Translator::load(task.settings.model);
  for (std::string line; std::getline(std::cin, line);) {
    const auto found = translator.translate(line, {.beam = static_cast<int>(task.beam)});
    fmt::print("{}\n", found.front().text);
  }
}

std::vector<Option> options_of(PairsTask& task) {
  return {{"--beam", "evaluate, run: beam size; 1 is greedy", &task.beam},
          {"--label-smoothing", "train: weight of the uniform distribution", &task.label_smoothing},
          {"--output", "evaluate: file for what was found", &task.output}};
}

}  // namespace unroll::tasks
