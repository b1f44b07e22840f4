// From one sequence to another: shared by the programs `spelling` and `commands`. The network is
// the one of `translate`: GRU in both directions, additive attention, GRU.
#pragma once

#include <string>

#include <unroll/examples/tasks/parts/examples.h>
#include <unroll/examples/tasks/parts/program.h>
#include <unroll/text/corpus.h>
#include <unroll/text/tokenizer.h>

namespace unroll::tasks {

struct PairsTask {
  Settings& settings;  ///< batch: sequences of average length
  text::TokenizerKind from, to;
  Source<text::SentencePair> source;
  bool decompose = false;  ///< sources as characters with their marks apart, not as `from`
  double label_smoothing = 0.1;
  int beam = 5;
  int max_length = 100;     ///< tokens of a target that is looked for
  std::string output = {};  ///< file for what evaluate found, one a line
};

/// The program of a task: `train`; `evaluate`, which prints how many targets are right as a whole,
/// and the edits per target token; `run`, which answers each line with its target.
Program pairs_program(const std::string& what, PairsTask& task);

}  // namespace unroll::tasks
