// Trainings whose snapshots cannot be written, or whose process is killed.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/adam.h>
#include <unroll/tests/files/system_calls.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>
#include <unroll/tests/train/scratch_directory.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/fit.h>

using namespace unroll;
using namespace unroll::testing;
using namespace unroll::train;

namespace {

/// A line through points; the parameters are large enough for their file to take a few writes.
struct Line {
  ParameterSet parameters{1};
  Parameter weight = parameters.create("w", random_uniform({3, 700}, 2, -1, 1));
  optim::Adam adam{parameters, {.lr = 0.01}};

  FitSummary train(int epochs, const std::string& snapshot) {
    return fit(parameters, adam,
               {.batches = [](int epoch) { return shuffled_batches(12, 3, 5, epoch); },
                .loss =
                    [&](Tape& tape, Examples which) {
                      Variable total = tape.constant(0);
                      for (const std::size_t i : which) {
                        total =
                            total + sum(square(tape.use(weight) - 0.1 * static_cast<double>(i)));
                      }
                      return dropout(total, 0.1);
                    }},
               {.epochs = epochs,
                .parallel = {.shards = 2, .threads = 1},
                .snapshot = snapshot,
                .quiet = true});
  }
};

/// Sends SIGKILL to a child that runs `work`, after `microseconds`; true if it came too late.
template <class Work>
bool finishes_before(useconds_t microseconds, const Work& work) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::_exit(thrown_message(work).empty() ? 0 : 1);
  }
  ::usleep(microseconds);
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status)) return false;
  REQUIRE(WEXITSTATUS(status) == 0);
  return true;
}

}  // namespace

TEST_CASE("a training goes on where its snapshots cannot be written, and says so") {
  Line whole;
  whole.train(4, "");
  int faults = 0;
  for (const SystemCall call : {SystemCall::openat, SystemCall::write, SystemCall::fsync,
                                SystemCall::rename, SystemCall::open}) {
    for (const Fault fault : {Fault{ENOSPC, false, true}, Fault{EIO, false, true}, Fault{EROFS},
                              Fault{EACCES, false, true}}) {
      for (int k = 1; k < 12; ++k) {
        INFO(name_of(call) << " number " << k << ": " << fault.error);
        const ScratchDirectory folder;
        const std::string path = (folder / "training").string();
        Line line;
        FitSummary summary;
        bool happened = false;
        {
          const FaultyCall faulty(call, k, fault);
          summary = line.train(4, path);
          happened = faulty.happened();
        }
        CHECK(summary.epochs == 4);
        CHECK(line.weight.value().identical(whole.weight.value()));
        if (!happened) {
          CHECK(summary.snapshot_fault.empty());
          break;
        }
        ++faults;
        CHECK((summary.snapshot_fault.empty() ||
               contains(summary.snapshot_fault, path + ": not written: ") ||
               contains(summary.snapshot_fault, path + ": written, but")));
        // What is there is whole, and can be gone on from when the trouble is over.
        CHECK((!std::filesystem::exists(path) || load_snapshot(path).position.epoch >= 1));
        Line rest;
        CHECK(rest.train(4, path).snapshot_fault.empty());
        CHECK(rest.weight.value().identical(whole.weight.value()));
        CHECK(folder.entries() == 1);
      }
    }
  }
  CHECK(faults >= 40);
}

TEST_CASE("a training says before it begins that its snapshot cannot be written") {
  const ScratchDirectory folder;
  Line line;
  const Tensor before = line.weight.value();
  for (const int error : {EROFS, EACCES}) {
    const FaultyCall faulty(SystemCall::access, 1, {error});
    const std::string message =
        thrown_message([&] { line.train(1, (folder / "training").string()); });
    CHECK(contains(message, (folder / "training").string() + ": cannot be written"));
  }
  CHECK_THROWS_AS(line.train(1, (folder / "no/training").string()), IoError);
  CHECK(line.weight.value().identical(before));
  CHECK(folder.entries() == 0);
}

TEST_CASE("a training that is killed again and again ends with the same bits") {
  constexpr int kEpochs = 12;
  Line whole;
  whole.train(kEpochs, "");
  std::mt19937 random(3);
  int kills = 0;
  for (int training = 0; kills < cases(100, 500); ++training) {
    const ScratchDirectory folder;
    const std::string path = (folder / "training").string();
    std::int64_t steps = 0;
    // The longer it takes, the longer a part may live, so that it comes to an end.
    for (unsigned part = 1;; ++part) {
      const bool done =
          finishes_before(random() % (1'000 * part), [&] { Line().train(kEpochs, path); });
      if (std::filesystem::exists(path)) {
        const std::int64_t now = load_snapshot(path).position.steps;
        CHECK(now >= steps);
        steps = now;
      }
      if (done) break;
      ++kills;
    }
    CHECK(steps == 4 * kEpochs);
    Line rest;
    rest.train(kEpochs, path);
    CHECK(rest.weight.value().identical(whole.weight.value()));
    CHECK(folder.entries() <= 2);  // the last part may have nothing to write, so sweeps nothing
    REQUIRE(training < 500);
  }
  CHECK(kills >= cases(100, 500));
}

TEST_CASE(
    "kill -9 at any instant of a save leaves the newest complete snapshot or the one before") {
  const ScratchDirectory folder;
  const auto path = folder / "training";
  Snapshot snapshot;
  snapshot.parameters = {{"w", random_uniform({200, 500}, 1, -1, 1)}};
  save_snapshot(path, snapshot);
  std::mt19937 random(4);
  const int kills = cases(100, 500);
  for (int i = 0; i < kills; ++i) {
    int done[2];
    REQUIRE(::pipe(done) == 0);
    const std::int64_t first = load_snapshot(path).position.steps;
    finishes_before(random() % 12'000, [&] {
      for (;;) {
        ++snapshot.position.steps;
        save_snapshot(path, snapshot);
        if (::write(done[1], "", 1) != 1) return;
      }
    });
    ::close(done[1]);
    std::int64_t completed = first;
    for (char byte = 0; ::read(done[0], &byte, 1) == 1;) ++completed;
    ::close(done[0]);
    const Snapshot found = load_snapshot(path);
    snapshot.position.steps = found.position.steps;
    INFO(i << ": " << completed << " were complete");
    CHECK((found.position.steps == completed || found.position.steps == completed + 1));
    CHECK(found.parameters.at("w").identical(snapshot.parameters.at("w")));
    CHECK(folder.entries() <= 2);
  }
  save_snapshot(path, snapshot);
  CHECK(folder.entries() == 1);
}
