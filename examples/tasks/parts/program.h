// What the programs of tasks/ have in common: a command line with train, evaluate and run, and
// training with the best model kept in a file.
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
  std::string name;        ///< of the program
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
  double dropout = 0;
  std::int64_t embedding = 0;  ///< 0: the network has none, and the command line no such option
  std::int64_t hidden = 128;
  int layers = 0;    ///< 0: their number is fixed, and no option
  int patience = 0;  ///< epochs without a better score before the end; 0: never
  int shards = 4;
  int threads = 0;  ///< 0: all; results do not depend on it
  std::uint64_t seed = 1;
  bool bf16 = false;    ///< products of bfloat16 while training, see TapeOptions
  bool resume = false;  ///< goes on from MODEL.training if that is there
  bool quiet = false;
};

/// An option of one program alone; a number is in [least, most].
struct Option {
  std::string name;  ///< with its dashes
  std::string what;
  std::variant<int*, std::int64_t*, double*, std::string*, bool*> value;
  double least = 0;
  double most = 1e6;
};

struct Command {
  std::function<void()> call;
  std::vector<Option> options = {};
};

/// Which files a program reads.
enum class Files {
  none,   ///< it makes all of its data
  three,  ///< for training, validation and test
  parts,  ///< those, or one that is cut into parts, of which evaluate scores the last
  one     ///< always cut into parts
};

struct Program {
  std::string what;
  Settings& settings;
  Files files = Files::three;
  Command train, evaluate, run;
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
/// file, with `metadata`. Says at the end what was trained. Throws as fit(), and IoError if the
/// model cannot be written there.
void train_model(const Settings& settings, const ParameterSet& parameters, const train::Task& task,
                 const std::map<std::string, std::string>& metadata);
/// The same by another recipe.
void train_model(const Settings& settings, const ParameterSet& parameters, const train::Task& task,
                 const std::map<std::string, std::string>& metadata, const Recipe& recipe);

/// The score of a share of right answers, 0 to 1.
train::Score score_of_accuracy(double accuracy);

/// Calls `training` with the file of its snapshot, which is removed before unless --resume is
/// given, and after unless it is needed to go on. Says at the end what was trained.
void with_snapshot(const Settings& settings,
                   const std::function<train::FitSummary(const std::string& snapshot)>& training);

}  // namespace unroll::tasks
