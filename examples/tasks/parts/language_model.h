// Many-to-many over a text that has no end: the next token after each. Shared by the programs
// `words` (the Penn Treebank) and `writer` (characters).
//
//   embedding -> layers of LSTM -> scores; dropout before, between and after the layers. The text
//   is cut into columns that are read side by side; the states of a chunk's end begin the next.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/tasks/parts/program.h>

namespace unroll::tasks {

using Tokens = std::vector<std::string>;

struct LanguageModelTask {
  Settings& settings;  ///< batch: columns
  /// The tokens of a file, or those of a text made by the program. Of --data, the last tenth is the
  /// test text if there is no --test, and 5 % before it the validation text if no --valid.
  std::function<Tokens(const std::string& path)> read;
  std::function<Tokens()> generate;
  std::function<Tokens(const std::string& text)> split;     ///< of a prompt
  std::function<std::string(const Tokens& tokens)> joined;  ///< what is written
  std::string before = {};                                  ///< the token that stands before a text
  std::int64_t steps = 20;                                  ///< tokens per chunk and column
  double init = 0;                   ///< parameters are uniform in +-init at first; 0: PyTorch's
  bool tied = false;                 ///< the scores' matrix is the embedding's
  bool sgd = false;                  ///< plain SGD instead of AdamW
  std::int64_t constant_epochs = 4;  ///< with SGD, then the rate is divided ...
  double decay = 2;                  ///< ... by this at every epoch
  std::string prompt = {};           ///< of run
  std::int64_t length = 200;         ///< tokens that run writes
  double temperature = 1, top_p = 1;
};

/// The program of a task: `train`; `evaluate`, which prints cross-entropy and perplexity of the
/// test text, read in one go; `run`, which prints a text that begins with the prompt.
Program language_model_program(const std::string& what, LanguageModelTask& task);

}  // namespace unroll::tasks
