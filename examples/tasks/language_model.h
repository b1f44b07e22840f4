// Many-to-many over a text that has no end: the next token after each. Shared by the programs
// `words` (the Penn Treebank) and `writer` (characters).
//
//   embedding -> layers of LSTM -> scores; dropout before, between and after the layers. The text
//   is cut into columns that are read side by side; the states of a chunk's end begin the next.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/tasks/program.h>

namespace unroll::tasks {

struct LanguageModelTask {
  Settings& settings;  ///< batch: columns
  /// The tokens of a file, "" of a text made by the program, for part 0 training, 1 validation, 2
  /// test.
  std::function<std::vector<std::string>(const std::string& path, int part)> tokens;
  std::function<std::vector<std::string>(const std::string& text)> split;  ///< of a prompt
  std::string separator = " ";       ///< between tokens that are written
  std::int64_t steps = 20;           ///< tokens per chunk and column
  double init = 0;                   ///< parameters are uniform in +-init at first; 0: PyTorch's
  bool sgd = false;                  ///< plain SGD instead of AdamW
  std::int64_t constant_epochs = 4;  ///< with SGD, then the rate is divided ...
  double decay = 2;                  ///< ... by this at every epoch
  std::string prompt = {};           ///< of run
  std::int64_t length = 200;         ///< tokens that run writes
  double temperature = 1, top_p = 1;
};

void train_language_model(const LanguageModelTask& task);
/// Prints cross-entropy and perplexity of the test text, read in one go.
void evaluate_language_model(const LanguageModelTask& task);
/// Prints a text that begins with the prompt.
void write_text(const LanguageModelTask& task);

/// The options of the task for a Program.
std::vector<Option> options_of(LanguageModelTask& task);

}  // namespace unroll::tasks
