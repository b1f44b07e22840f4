// The k-th allocation of a training fails, for every k: the error is typed, the parameters and the
// optimiser are as a whole number of steps left them, and the training goes on from its snapshot to
// the bits that it would have had.
#include <filesystem>
#include <set>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/adam.h>
#include <unroll/tests/heap/failing_heap.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/fit.h>

using namespace unroll;
using namespace unroll::testing;
using namespace unroll::train;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kStride = 97;  // a sanitizer makes allocations slow
#else
constexpr std::uint64_t kStride = 1;
#endif

/// Four steps in two epochs of two shards, clipped, with dropout, validation and snapshots.
struct Training {
  ParameterSet parameters{1};
  nn::GRU gru{parameters.scope("gru"), 1, 2};
  nn::Linear output{parameters.scope("output"), 2, 1};
  optim::Adam adam{parameters, {.lr = 0.05}};

  Variable loss(Tape& tape, Examples which) const {
    const auto batch = static_cast<std::int64_t>(which.size());
    const Tensor x = random_uniform({3, batch, 1}, which.front(), -1, 1, Dtype::float32);
    const Variable last = gru(tape.input(x)).outputs;
    return sum(square(output(dropout(last, 0.1)) - 0.5));
  }
  /// With the k-th allocation failing, from 1.
  void run(const std::string& snapshot, std::uint64_t k = 0) {
    const Task task{.batches = [](int epoch) { return shuffled_batches(4, 2, 5, epoch); },
                    .loss = [this](Tape& tape, Examples which) { return loss(tape, which); },
                    .validate = [this]() -> Score {
                      Tape tape({.training = false});
                      const std::vector<std::size_t> all{0, 1};
                      return {loss(tape, all).item(), ""};
                    }};
    const FitOptions options{.epochs = 2,
                             .clip_norm = 1,
                             .parallel = {.shards = 2, .threads = 1},
                             .snapshot = snapshot,
                             .quiet = true};
    const FailingHeap heap(k);
    fit(parameters, adam, task, options);
  }
  std::string state() const {
    std::string text;
    const auto add = [&](const std::map<std::string, Tensor>& tensors) {
      for (const auto& [name, tensor] : tensors) {
        text += name + std::string(static_cast<const char*>(tensor.raw()), tensor.bytes());
      }
    };
    add(values_of(parameters));
    add(adam.state());
    return text;
  }
};

/// The states in which a step may begin, and the last one.
std::set<std::string> whole_states() {
  std::set<std::string> states;
  for (int steps = 0; steps <= 4; ++steps) {
    Training training;
    int left = steps;
    const Task task{
        .batches = [](int epoch) { return shuffled_batches(4, 2, 5, epoch); },
        .step =
            [&](Parallel& parallel, Examples batch, std::uint64_t seed) {
              if (left-- == 0) throw ValueError("enough");
              return parallel.gradients(
                  training.parameters,
                  [&](Tape& tape, int shard) {
                    return training.loss(tape, batch.subspan(static_cast<std::size_t>(shard), 1)) *
                           0.5;
                  },
                  seed);
            }};
    try {
      fit(training.parameters, training.adam, task,
          {.epochs = 2, .clip_norm = 1, .parallel = {.shards = 2, .threads = 1}, .quiet = true});
    } catch (const ValueError&) {
    }
    states.insert(training.state());
  }
  return states;
}

}  // namespace

TEST_CASE("out of memory within a training", "[heap]") {
  const ScratchDirectory folder;
  const std::string path = (folder / "training").string();
  Training whole;
  whole.run(path);
  const std::string after = whole.state();
  std::filesystem::remove(path);
  std::set<std::string> states = whole_states();
  CHECK(states.size() == 5);
  states.insert(after);  // the best parameters, with the last moments
  int failed = 0;
  for (std::uint64_t k = 1;; k += kStride) {
    Training training;
    bool typed = false;
    try {
      training.run(path, k);
    } catch (const OutOfMemory&) {
      typed = true;
    }
    if (!FailingHeap::failed()) break;
    INFO("allocation " << k);
    if (typed) {
      ++failed;
      CHECK(states.contains(training.state()));
      if (!std::filesystem::exists(path)) {  // a retry begins anew
        Training again;
        again.run(path);
        CHECK(again.state() == after);
      } else {
        training.run(path);
        CHECK(training.state() == after);
      }
    } else {
      CHECK(training.state() == after);  // memory that only waited was given back instead
    }
    CHECK(folder.entries() <= 1);
    std::filesystem::remove(path);
  }
  CHECK(failed >= 2500 / static_cast<int>(kStride));
}
