// The four commands of the program and their options.
#pragma once

#include <cstdint>
#include <string>

#include <unroll/examples/translate/languages.h>
#include <unroll/examples/translate/trainer.h>
#include <unroll/examples/translate/translator.h>

namespace unroll::translate {

/// translate demo: generate the corpus, train, score, show.
struct DemoCommand {
  std::string model = "demo.safetensors";
  double minutes = 2.25;  ///< time limit of the training
  int threads = 0;
  bool bf16 = false;  ///< see TrainerOptions
  std::uint64_t seed = 1;
};
int run(const DemoCommand& command);

/// translate train: learn from a user's file of `source<TAB>target` lines.
struct TrainCommand {
  std::string data, valid;
  std::string model = "model.safetensors";
  text::BadLine bad_line = text::BadLine::skip;
  LanguageOptions language{.tokenizer = {.kind = text::TokenizerKind::bpe}, .vocabulary = {}};
  ModelOptions network;
  TrainerOptions trainer;
  bool resume = false;  ///< goes on from MODEL.training if that is there
};
int run(const TrainCommand& command);

/// translate run: sentences from standard input, translations to standard output.
struct RunCommand {
  std::string model;
  SearchOptions search;
  int n_best = 1;
  bool attention = false;
};
int run(const RunCommand& command);

/// translate evaluate: BLEU, chrF, exact match and perplexity on a file of pairs.
struct EvaluateCommand {
  std::string model, data;
  std::string output;  ///< where to write the translations, one a line; "" for nowhere
  SearchOptions search;
  text::BadLine bad_line = text::BadLine::skip;
  int threads = 0;
};
int run(const EvaluateCommand& command);

}  // namespace unroll::translate
