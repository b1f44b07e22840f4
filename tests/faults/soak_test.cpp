// A long training on batches of random lengths: memory stays flat and caches within their bounds.
#include <fstream>
#include <string>

#include <unistd.h>

#include <unroll/autograd/random.h>
#include <unroll/autograd/recycled.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kBatch = 3, kWidth = 4, kLongest = 12, kWords = 20;

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

struct Training {
  ParameterSet parameters{1};
  nn::Embedding embedding{parameters.scope("embedding"), kWords, kWidth};
  nn::GRU gru{parameters.scope("gru"), kWidth, kWidth};
  nn::Linear output{parameters.scope("output"), kWidth, kWords};
  optim::Adam adam{parameters, {.lr = 1e-3}};
  Tape tape;
  Random random{7};

  double step() {
    std::vector<std::int32_t> lengths;
    std::int32_t longest = 0;
    for (std::int64_t b = 0; b < kBatch; ++b) {
      lengths.push_back(static_cast<std::int32_t>(random.below(kLongest + 1)));
      longest = std::max(longest, lengths.back());
    }
    Tensor words(Shape{longest, kBatch}, Dtype::int32);
    for (std::int32_t& id : words.mutable_data<std::int32_t>()) {
      id = static_cast<std::int32_t>(random.below(kWords));
    }
    tape.reset();
    const Variable ids = tape.input(words);
    const Variable outputs = gru(embedding(ids), {.lengths = lengths}).outputs;
    const Variable loss = cross_entropy(output(outputs), ids);
    adam.step(gradients(loss, parameters));
    return loss.item();
  }
};

}  // namespace

TEST_CASE("memory is flat over steps of random lengths", "[faults][soak]") {
  const int steps = cases(2000, 200000), warm = steps / 4;
  Training training;
  double after_warming = 0, last = 0;
  for (int i = 0; i < steps; ++i) {
    last = training.step();
    if (i == warm) after_warming = resident_bytes();
  }
  CHECK(std::isfinite(last));
  const double now = resident_bytes();
  INFO("resident " << after_warming / 1e6 << " MB, then " << now / 1e6 << " MB");
#if !defined(__SANITIZE_ADDRESS__)  // keeps what was freed
  // A selection has not filled the cache of plans yet.
  if (all_tests()) CHECK(now <= 1.01 * after_warming);
  CHECK(now <= after_warming + 1.5 * static_cast<double>(PlanCache::kMaxBytes));
#endif
  CHECK(training.tape.memory_bytes() < (std::size_t{8} << 20));
  CHECK(RecycledMemory::idle_bytes() < (std::size_t{65} << 20));
  CHECK(training.tape.state().plans.bytes() <= PlanCache::kMaxBytes);
}
