// What the programs of this folder have in common: a command line with train, evaluate and run, and
// training with AdamW along a cosine, the best model kept in a file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include <unroll/autograd/parameter.h>
#include <unroll/train/fit.h>

namespace unroll::tasks {

/// What every program can be told. A program's own defaults stand in its main function.
struct Settings {
  std::string data = {};   ///< what to learn from; empty: what the program makes by itself
  std::string valid = {};  ///< chooses the best epoch; empty: a part of `data`
  std::string test = {};   ///< scored after training, and by evaluate
  std::string model = {};  ///< file, written by train and read by the others
  int epochs = 10;
  double minutes = 0;  ///< limit of the training; 0: none
  std::size_t batch = 64;
  double learning_rate = 2e-3;
  double weight_decay = 0.01;
  double clip_norm = 1;
  double dropout = 0.3;
  std::int64_t embedding = 64;
  std::int64_t hidden = 128;
  int layers = 1;
  int patience = 0;  ///< epochs without a better score before the end; 0: never
  int shards = 4;
  int threads = 0;  ///< 0: all; results do not depend on it
  std::uint64_t seed = 1;
  bool resume = false;  ///< goes on from MODEL.training if that is there
  bool quiet = false;
};

/// An option of one program alone.
struct Option {
  std::string name;  ///< with its dashes
  std::string what;
  std::variant<int*, std::int64_t*, double*, std::string*, bool*> value;
};

struct Program {
  std::string name, what;
  Settings& settings;
  std::vector<Option> options = {};
  std::function<void()> train = {}, evaluate = {}, run = {};  ///< those without are not there
};

/// Parses the command line into the settings and options, and calls what it asks for. What that
/// throws is printed, behind the program's name, and gives 1.
int run_program(const Program& program, int argc, char** argv);

/// What updates the parameters, and how fast.
struct Recipe {
  optim::Optimizer& optimizer;
  std::function<double(const train::Moment&)> learning_rate;
};

/// fit() as the settings say, with AdamW along a cosine; the best model so far is in the model's
/// file, with `metadata`. Says at the end what was trained.
train::FitSummary train_model(const Settings& settings, const ParameterSet& parameters,
                              const train::Task& task,
                              const std::map<std::string, std::string>& metadata);
/// The same by another recipe.
train::FitSummary train_model(const Settings& settings, const ParameterSet& parameters,
                              const train::Task& task,
                              const std::map<std::string, std::string>& metadata,
                              const Recipe& recipe);

}  // namespace unroll::tasks
