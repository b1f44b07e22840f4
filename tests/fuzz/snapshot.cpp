// Snapshots: lines `name<TAB>value` become entries of the metadata of a good one, lines `-name`
// remove an entry. Such a file is refused by a typed error, or a training goes on from it.
#include <unroll/train/checkpoint.h>

#include <sstream>
#include <string>

#include <unroll/autograd/error.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/sgd.h>
#include <unroll/tests/fuzz/memory_file.h>
#include <unroll/train/fit.h>

using namespace unroll;

namespace {

struct Training {
  ParameterSet parameters{1};
  Parameter weight = parameters.create("w", Tensor::full({2}, 0.5));
  optim::SGD sgd{parameters, {.lr = 0.1, .momentum = 0.9}};

  train::FitSummary run(const std::string& snapshot) {
    return train::fit(parameters, sgd,
                      {.batches =
                           [](int) {
                             return train::Batches{{0}, {1}, {2}};
                           },
                       .loss =
                           [&](Tape& tape, train::Examples which) {
                             return sum(square(tape.use(weight) - static_cast<double>(which[0])));
                           }},
                      {.epochs = 2,
                       .parallel = {.shards = 1, .threads = 1},
                       .snapshot = snapshot,
                       .quiet = true});
  }
};

/// Of a training that has just begun.
train::TensorFile good() {
  const std::string path = "/dev/shm/unroll-fuzz-" + std::to_string(::getpid());
  Training training;
  training.sgd.step(gradients(sum(Tape().use(training.weight)), training.parameters));
  train::save_snapshot(path, {.parameters = train::values_of(training.parameters),
                              .optimizer = training.sgd.state(),
                              .learning_rate = 0.1,
                              .task = "fit"});
  train::TensorFile file = train::load_safetensors(path);
  std::filesystem::remove(path);
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const train::TensorFile kGood = good();
  train::TensorFile file = kGood;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (line.starts_with('-')) {
      file.metadata.erase(line.substr(1));
    } else if (tab != line.npos) {
      file.metadata[line.substr(0, tab)] = line.substr(tab + 1);
    }
  }
  const std::string path = "/dev/shm/unroll-fuzz-" + std::to_string(::getpid());
  try {
    train::save_safetensors(path, file);
    const train::Snapshot snapshot = train::load_snapshot(path);
    const auto& p = snapshot.position;
    fuzz::expect(p.epoch >= 0 && p.batch >= 0 && p.steps >= 0 && p.best_epoch >= 0,
                 "a position counts from 0");
    const train::FitSummary summary = Training().run(path);
    fuzz::expect(summary.steps >= p.steps && summary.epochs >= p.epoch, "a training goes on");
  } catch (const Error&) {
  }
  std::filesystem::remove(path);
  return 0;
}
