// Many-to-one: the class of a text. Shared by the programs `names` (tokens are characters) and
// `intents` (tokens are words).
//
//   embedding -> layers of GRU in both directions -> largest output of each unit -> scores
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/tasks/program.h>
#include <unroll/text/corpus.h>

namespace unroll::tasks {

/// A text and its class.
struct Labelled {
  std::string text, label;
};

struct ClassifierTask {
  Settings& settings;
  std::function<std::vector<std::string>(const std::string& text)> tokens;
  /// Which column of a data file is the label: 0 or 1.
  int label_column = 0;
  /// So many examples for want of a file.
  std::function<std::vector<Labelled>(std::size_t count, std::uint64_t seed)> generate;
  std::size_t generated = 4000;
  double token_dropout = 0;    ///< tokens become unknown with this probability while training
  std::int64_t min_count = 1;  ///< rarer tokens are unknown
};

void train_classifier(const ClassifierTask& task);
/// Prints accuracy and macro F1 of the test set.
void evaluate_classifier(const ClassifierTask& task);
/// A line of standard input after another: its three most probable classes.
void run_classifier(const ClassifierTask& task);

}  // namespace unroll::tasks
