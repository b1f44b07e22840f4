// Many-to-one: the class of a text. Shared by the programs `names` (tokens are characters) and
// `intents` (tokens are words).
//
//   embedding -> layers of GRU in both directions -> largest output of each unit -> scores
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/tasks/parts/examples.h>
#include <unroll/examples/tasks/parts/program.h>

namespace unroll::tasks {

/// A text and its class.
struct Labelled {
  std::string text, label;
};

/// The lines of a file of two columns, of which number `label_column`, 0 or 1, is the class.
/// Throws IoError, naming the line, for one that is no such.
std::vector<Labelled> read_labelled(const std::string& path, int label_column);

struct ClassifierTask {
  Settings& settings;
  std::function<std::vector<std::string>(const std::string& text)> tokens;
  Source<Labelled> source;
  double token_dropout = 0;  ///< tokens become unknown with this probability while training
};

void train_classifier(const ClassifierTask& task);
/// Prints accuracy, macro F1 and cross-entropy of the test set. Throws ValueError for a class that
/// the model does not know.
void evaluate_classifier(const ClassifierTask& task);
/// The three most probable classes of each line of standard input.
void run_classifier(const ClassifierTask& task);

}  // namespace unroll::tasks
