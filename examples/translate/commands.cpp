// translate train, run and evaluate.
#include <unroll/examples/translate/commands.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>

#include <unroll/autograd/error.h>
#include <unroll/examples/translate/scoring.h>
#include <unroll/text/utf8.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/fit.h>
#include <unroll/train/progress.h>

namespace unroll::translate {

namespace {

/// Reads pairs and says on standard error which lines were not used as they were.
std::vector<text::SentencePair> read_pairs(const std::string& path, text::BadLine bad_line) {
  text::Corpus corpus = text::read_corpus(path, {.bad_line = bad_line});
  for (const text::CorpusFault& fault : corpus.report.faults) {
    fmt::print(stderr, "{}\n", fault.message);
  }
  const std::size_t shown = corpus.report.faults.size();
  if (corpus.report.dropped + corpus.report.replaced > shown) {
    fmt::print(stderr, "... and more\n");
  }
  fmt::print(stderr, "{}: {} lines, {} pairs kept, {} dropped, {} repaired\n", path,
             corpus.report.read, corpus.report.kept, corpus.report.dropped, corpus.report.replaced);
  if (corpus.pairs.empty()) throw IoError(path + ": no sentence pairs in it");
  return std::move(corpus.pairs);
}

/// Takes one pair in fifty, chosen at random, out of `pairs`.
std::vector<text::SentencePair> take_validation(std::vector<text::SentencePair>& pairs,
                                                std::uint64_t seed) {
  const std::size_t count = std::min(pairs.size() - 1, std::max<std::size_t>(1, pairs.size() / 50));
  const auto order = train::shuffled_batches(pairs.size(), pairs.size(), seed, 77).front();
  std::vector<text::SentencePair> kept, taken;
  for (std::size_t k = 0; k < order.size(); ++k) {
    (k + count < order.size() ? kept : taken).push_back(std::move(pairs[order[k]]));
  }
  pairs = std::move(kept);
  return taken;
}

/// Where each target token looked, in per cent.
void print_attention(const Translation& translation) {
  for (std::size_t t = 0; t < translation.tokens.size(); ++t) {
    fmt::print("    {:<14}", translation.tokens[t]);
    for (std::size_t s = 0; s < translation.source_tokens.size(); ++s) {
      const long per_cent = std::lround(100 * translation.attention[t][s]);
      if (per_cent >= 5) fmt::print("  {} {}", translation.source_tokens[s], per_cent);
    }
    fmt::print("\n");
  }
}

/// Refuses to write a result over what it is made from.
void expect_distinct(const std::string& output, std::initializer_list<std::string> inputs) {
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (!input.empty() && std::filesystem::equivalent(output, input, ignored)) {
      throw ValueError(output + ": is an input of this command; it would be overwritten");
    }
  }
}

/// What std::printf and its like wrote has arrived.
void expect_printed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw IoError(std::string("standard output: ") + std::strerror(errno));
  }
}

}  // namespace

int run(const TrainCommand& command) {
  train::expect_writable(command.model);
  expect_distinct(command.model, {command.data, command.valid});
  std::vector<text::SentencePair> pairs = read_pairs(command.data, command.bad_line);
  if (pairs.size() < 2) throw IoError(command.data + ": training needs at least two pairs");
  const std::vector<text::SentencePair> validation =
      command.valid.empty() ? take_validation(pairs, command.trainer.seed)
                            : read_pairs(command.valid, command.bad_line);
  Languages languages = Languages::learn(pairs, command.language);
  const std::vector<Example> training = languages.encode(pairs);
  const std::vector<Example> held_out = languages.encode(validation);
  fmt::print(stderr, "vocabulary: {} source and {} target tokens\n",
             languages.source.vocabulary.size(), languages.target.vocabulary.size());

  Translator translator(std::move(languages), command.network, command.trainer.seed);
  fmt::print(stderr, "{} parameters\n", translator.parameters().elements());
  TrainerOptions trainer = command.trainer;
  trainer.snapshot = command.model + ".training";
  if (!command.resume) std::filesystem::remove(trainer.snapshot);
  const train::FitSummary summary = train(translator, training, held_out, trainer, command.model);
  if (!summary.interrupted) std::filesystem::remove(trainer.snapshot);
  fmt::print("{}: best epoch {} of {}, validation loss {:.4f} per token, {} steps in {}{}\n",
             command.model, summary.best_epoch, summary.epochs, summary.best_loss, summary.steps,
             train::clock_time(summary.seconds),
             !summary.interrupted             ? ""
             : summary.snapshot_fault.empty() ? ", interrupted; --resume goes on"
                                              : ", interrupted");
  constexpr int kInterrupted = 130;  // what a shell says of a program that SIGINT ended
  return summary.interrupted ? kInterrupted : 0;
}

int run(const RunCommand& command) {
  const Translator translator = Translator::load(command.model);
  std::string line;
  std::size_t number = 0;
  bool all_good = true;
  while (std::getline(std::cin, line)) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // byte-order mark
    if (const auto bad = text::find_invalid_utf8(line)) {
      fmt::print(stderr, "line {}: byte {} is not UTF-8; an empty line stands for it\n", number,
                 *bad);
      fmt::print("\n");
      all_good = false;
      continue;
    }
    const auto found = translator.translate(line, command.search, command.n_best);
    for (const Translation& translation : found) {
      if (command.n_best > 1) fmt::print("{:.4f}\t", translation.score);
      fmt::print("{}\n", translation.text);
      if (command.attention) print_attention(translation);
    }
    expect_printed();
  }
  return all_good ? 0 : 1;
}

int run(const EvaluateCommand& command) {
  expect_distinct(command.output, {command.data, command.model});
  const Translator translator = Translator::load(command.model);
  const std::vector<text::SentencePair> pairs = read_pairs(command.data, command.bad_line);
  std::vector<std::string> sources, references;
  for (const text::SentencePair& pair : pairs) {
    sources.push_back(pair.source);
    references.push_back(pair.target);
  }
  const auto translations = translator.translate_all(sources, command.search, command.threads);
  if (!command.output.empty()) {
    std::ofstream out(command.output);
    for (const std::string& translation : translations) out << translation << '\n';
    if (!out.flush()) {
      throw IoError(fmt::format("{}: cannot be written: {}", command.output, std::strerror(errno)));
    }
  }
  fmt::print("{}\n", to_string(score(translations, references)));
  const auto examples = translator.languages().encode(pairs);
  fmt::print("perplexity {:.2f} per token after the true ones, {:.2f} after its own\n",
             std::exp(loss_of(translator, examples, false, command.threads)),
             std::exp(loss_of(translator, examples, true, command.threads)));
  expect_printed();
  return 0;
}

}  // namespace unroll::translate
