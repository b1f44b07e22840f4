// From one sequence to another: shared by the programs `spelling` and `commands`. The network is
// the one of `translate`: GRU in both directions, additive attention, GRU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/tasks/program.h>
#include <unroll/text/corpus.h>
#include <unroll/text/tokenizer.h>

namespace unroll::tasks {

struct PairsTask {
  Settings& settings;  ///< batch: sequences of average length
  text::TokenizerKind source, target;
  /// The pairs of a file.
  std::function<std::vector<text::SentencePair>(const std::string& path)> read;
  /// So many made-up pairs.
  std::function<std::vector<text::SentencePair>(std::size_t count, std::uint64_t seed)> generate;
  double label_smoothing = 0.1;
  std::int64_t beam = 5;
  std::string output = {};  ///< file for what evaluate found, one a line
};

void train_pairs(const PairsTask& task);
/// Prints how many targets are right as a whole, and the edits per target token.
void evaluate_pairs(const PairsTask& task);
/// The target of each line of standard input.
void run_pairs(const PairsTask& task);

std::vector<Option> options_of(PairsTask& task);

}  // namespace unroll::tasks
