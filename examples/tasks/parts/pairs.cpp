// From one sequence to another: training, scoring and use of a Translator.
#include <unroll/examples/tasks/parts/pairs.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/translate/trainer.h>
#include <unroll/examples/translate/translator.h>
#include <unroll/text/error_rate.h>

namespace unroll::tasks {

namespace {

using translate::Translator;
using Pairs = std::vector<text::SentencePair>;

void score(const PairsTask& task, const Translator& translator, const std::string& what,
           const Pairs& pairs) {
  std::vector<std::string> sources;
  for (const auto& pair : pairs) sources.push_back(pair.source);
  const auto found = translator.translate_all(
      sources, {.beam = task.beam, .max_length = task.max_length}, task.settings.threads);
  const text::Tokenizer& tokenizer = translator.languages().target.tokenizer;
  text::ErrorRate errors;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    errors.add(tokenizer.tokenize(found[i]), tokenizer.tokenize(pairs[i].target));
  }
  const double wrong = 100 * errors.sequence_error_rate();
  fmt::print("{}: {:.2f} % exact, error rate {:.2f} % of {} sequences, {:.2f} % of their tokens\n",
             what, 100 - wrong, wrong, errors.sequences(), 100 * errors.value());
  if (task.output.empty()) return;
  std::ofstream out(task.output);
  for (const std::string& line : found) out << line << '\n';
  if (!out.flush()) throw IoError(task.output + ": cannot be written");
}

void train_pairs(const PairsTask& task) {
  const Settings& s = task.settings;
  const auto [pairs, valid] = task.source.training(s);
  const auto from = task.decompose ? text::TokenizerKind::decomposed : task.from;
  auto languages =
      translate::Languages::learn(pairs, {.tokenizer = {.kind = from}, .vocabulary = {}},
                                  {.tokenizer = {.kind = task.to}, .vocabulary = {}});
  const auto training = languages.encode(pairs), held_out = languages.encode(valid);
  std::size_t tokens = 0;
  for (const auto& example : training) {
    tokens += std::max(example.source.size(), example.target.size() + 1);
  }
  Translator translator(std::move(languages),
                        {.embedding = s.embedding, .hidden = s.hidden, .dropout = s.dropout},
                        s.seed);
  with_snapshot(s, [&](const std::string& snapshot) {
    return translate::train(
        translator, training, held_out,
        {.epochs = s.epochs,
         .minutes = s.minutes,
         .batch_tokens = static_cast<std::int64_t>(s.batch * tokens / training.size()),
         .learning_rate = s.learning_rate,
         .warmup_steps = 200,
         .label_smoothing = task.label_smoothing,
         .weight_decay = s.weight_decay,
         .clip_norm = s.clip_norm,
         .patience = s.patience,
         .shards = s.shards,
         .threads = s.threads,
         .bf16 = s.bf16,
         .seed = s.seed,
         .snapshot = snapshot,
         .name = s.name,
         .quiet = s.quiet},
        s.model);
  });
  if (task.source.has_test(s)) {
    score(task, translator, "test", task.source.test(s));
  } else {
    score(task, translator, "validation", valid);
  }
}

void run_pairs(const PairsTask& task) {
  const Translator translator = Translator::load(task.settings.model);
  answer_lines("a sequence", [&](const std::string& line) {
    return translator.translate(line, {.beam = task.beam, .max_length = task.max_length})
        .at(0)
        .text;
  });
}

}  // namespace

Program pairs_program(const std::string& what, PairsTask& task) {
  const Option beam{"--beam", "beam size; 1 is greedy", &task.beam, 1, 100};
  const Option longest{"--max-length", "most tokens of a target", &task.max_length, 1};
  return {.what = what,
          .settings = task.settings,
          .train = {[&task] { train_pairs(task); },
                    {{"--label-smoothing", "weight of the uniform distribution",
                      &task.label_smoothing, 0, 0.99},
                     {"--decompose", "read letters and their marks apart, Hangul as jamo",
                      &task.decompose}}},
          .evaluate = {[&task] {
                         score(task, Translator::load(task.settings.model), "test",
                               task.source.test(task.settings));
                       },
                       {beam, longest, {"--output", "file for what was found", &task.output}}},
          .run = {[&task] { run_pairs(task); }, {beam, longest}}};
}

}  // namespace unroll::tasks
