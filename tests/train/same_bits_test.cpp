// The same bits: whatever the number of threads, and wherever a training was cut off.
#include <tbb/global_control.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>
#include <unroll/tests/train/scratch_directory.h>
#include <unroll/tests/train/small_models.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

train::FitOptions on_threads(int threads) {
  // Otherwise TBB starts no more than the machine has cores.
  static const tbb::global_control enough(tbb::global_control::max_allowed_parallelism, 16);
  return {.parallel = {.shards = 8, .threads = threads}};
}

}  // namespace

TEST_CASE("twelve models after 50 steps: one hash each for any number of threads") {
  REQUIRE(small_models().size() == 12);
  std::vector<int> more{3};
  if (all_tests()) more = {2, 3, 4, 8, 16};
  for (const SmallModel& model : small_models()) {
    INFO(model.name);
    const std::uint64_t one = bits_after_training(model, on_threads(1));
    for (const int threads : more) CHECK(bits_after_training(model, on_threads(threads)) == one);
  }
}

TEST_CASE("hashes of the twelve models, for another process", "[.hashes]") {
  const char* const path = std::getenv("UNROLL_HASHES");
  if (path == nullptr) return;  // chosen by the name of the file
  std::ofstream out(path);
  for (const SmallModel& model : small_models()) {
    for (const int threads : {1, 16}) out << bits_after_training(model, on_threads(threads)) << ' ';
  }
}

TEST_CASE("OpenMP's number of threads in the environment makes no difference") {
  if (!all_tests()) return;
  const train::ScratchDirectory scratch;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  std::vector<std::string> found;
  for (const std::string threads : {"1", "4"}) {
    const std::string path = scratch.path() / threads;
    const std::string command = "OMP_NUM_THREADS=" + threads + " UNROLL_HASHES='" + path + "' '" +
                                self + "' '[.hashes]' > /dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    found.push_back(train::content_of(path));
    CHECK(found.back().size() > 24 * 10);
  }
  CHECK(found[0] == found[1]);
}

TEST_CASE("a training that a signal ends at any of 50 steps goes on with the same bits") {
  const SmallModel& model = small_models()[1];  // with dropout
  const std::uint64_t whole = bits_after_training(model, on_threads(1));
  const train::ScratchDirectory scratch;
  int cuts = 0;
  for (int step = 0; step < 50; step += cases(5, 1)) {
    INFO("step " << step);
    train::FitOptions options = on_threads(1 + step % 3);
    options.snapshot = scratch.path() / std::to_string(step);
    options.learning_rate = [&](const train::Moment& now) {
      if (now.step == step) std::raise(step % 2 == 0 ? SIGINT : SIGTERM);
      return 0.01;
    };
    const std::uint64_t part = bits_after_training(model, options);
    CHECK((part == whole) == (step == 49));
    options.learning_rate = {};
    CHECK(bits_after_training(model, options) == whole);
    ++cuts;
  }
  CHECK(cuts == cases(10, 50));
}
