// Atomic writes when every system call in turn goes wrong: the file is the old one or the new one,
// the message says which and why, and the next write leaves nothing but the file.
#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/files/system_calls.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/train/scratch_directory.h>
#include <unroll/text/line_reader.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/checkpoint.h>

using namespace unroll;
using namespace unroll::testing;
using namespace unroll::train;

namespace {

std::string reason(int error) { return std::generic_category().message(error); }

std::ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// What a call said when a system call of it went wrong.
struct Outcome {
  std::string message;    // of the exception; empty: none
  bool happened = false;  // was there such a system call?
};

template <class Action>
Outcome with_fault(SystemCall call, int k, Fault fault, const Action& action) {
  const auto files = open_files();
  Outcome outcome;
  {
    const FaultyCall faulty(call, k, fault);
    outcome.message = thrown_message(action);
    outcome.happened = faulty.happened();
  }
  CHECK(open_files() == files);
  return outcome;
}

const std::vector<Fault> kFaults = {{ENOSPC},           {EIO},          {EDQUOT}, {EROFS},
                                    {EACCES},           {EMFILE},       {EINTR},  {0, true},
                                    {EIO, false, true}, {0, true, true}};

/// Calls `check(call, k, fault)` with k = 1, 2, ... until it says that there was no k-th call, for
/// every call and fault; returns how many there were.
int for_each_fault(const std::function<bool(SystemCall, int, Fault)>& check) {
  int faults = 0;
  for (int c = 0; c < kSystemCalls; ++c) {
    for (const Fault fault : kFaults) {
      const auto call = static_cast<SystemCall>(c);
      for (int k = 1;; ++k, ++faults) {
        INFO(name_of(call) << " number " << k << ": " << reason(fault.error)
                           << (fault.lasting ? ", lasting" : ""));
        if (!check(call, k, fault)) break;
      }
    }
  }
  return faults;
}

/// Calls that have to succeed, or the write cannot; for the others there is a way round.
bool is_needed(SystemCall call, const Fault& fault) {
  if (fault.error == 0 || (fault.error == EINTR && !fault.lasting && call != SystemCall::rename)) {
    return false;
  }
  return call == SystemCall::write || call == SystemCall::fsync || call == SystemCall::open ||
         call == SystemCall::rename || call == SystemCall::openat;
}

}  // namespace

TEST_CASE("an atomic write survives every system call that goes wrong") {
  const ScratchDirectory folder;
  const auto target = folder / "model.bin";
  const std::string was = "the old file", is(10'000, 'n');
  const std::array parts = {std::as_bytes(std::span(is)).first(4'000), std::span<const std::byte>(),
                            std::as_bytes(std::span(is)).subspan(4'000)};
  int failed = 0;
  const int faults = for_each_fault([&](SystemCall call, int k, Fault fault) {
    write_file_atomically(target, was);
    put(folder / "model.bin.unroll-tmp-1-0", "of a writer that was killed");
    const auto [message, happened] =
        with_fault(call, k, fault, [&] { write_file_atomically(target, parts); });
    if (message.empty()) {
      CHECK(content_of(target) == is);
    } else {
      ++failed;
      CHECK(contains(message, target.string()));
      CHECK(contains(message, reason(fault.error)));
      CHECK(is_needed(call, fault));
      const bool unwritten = contains(message, ": not written: ");
      CHECK((unwritten || contains(message, "durability uncertain")));
      CHECK(content_of(target) == (unwritten ? was : is));
    }
    write_file_atomically(target, "the next one");
    CHECK(content_of(target) == "the next one");
    CHECK(folder.entries() == 1);
    return happened;
  });
  CHECK(faults >= 100);
  CHECK(failed >= 40);
}

TEST_CASE("a snapshot that could not be written leaves the one before it") {
  const ScratchDirectory folder;
  const auto path = folder / "training";
  Snapshot snapshot;
  snapshot.parameters = {{"w", random_uniform({30, 20}, 1, -1, 1)}};
  save_snapshot(path, snapshot);
  std::int64_t steps = 0;
  const int faults = for_each_fault([&](SystemCall call, int k, Fault fault) {
    snapshot.position.steps = steps + 1;
    const auto [message, happened] =
        with_fault(call, k, fault, [&] { save_snapshot(path, snapshot); });
    const bool written = message.empty() || contains(message, "durability uncertain");
    const std::int64_t now = load_snapshot(path).position.steps;
    CHECK(now == steps + (written ? 1 : 0));
    steps = now;
    return happened;
  });
  CHECK(faults >= 80);
  save_snapshot(path, snapshot);
  CHECK(folder.entries() == 1);
}

TEST_CASE("readers name the path and the reason of a read that goes wrong") {
  const ScratchDirectory folder;
  const auto path = folder / "model";
  save_safetensors(path, {{{"w", random_uniform({300, 200}, 1, -1, 1)}}, {}});
  const TensorFile expected = load_safetensors(path);
  std::string lines;
  while (lines.size() < 200'000) lines += "a line of text\n";
  put(folder / "text", lines);
  int failed = 0;
  const int faults = for_each_fault([&](SystemCall call, int k, Fault fault) {
    TensorFile file;
    const Outcome tensors = with_fault(call, k, fault, [&] { file = load_safetensors(path); });
    std::string read, line;
    const Outcome text = with_fault(call, k, fault, [&] {
      text::LineReader reader(folder / "text");
      while (reader.next(line)) read += line + "\n";
    });
    for (const auto& [message, name] :
         {std::pair{tensors.message, path}, {text.message, folder / "text"}}) {
      if (message.empty()) continue;
      ++failed;
      CHECK(contains(message, name.string()));
      CHECK(contains(message, reason(fault.error)));
    }
    if (tensors.message.empty()) CHECK(file.tensors.at("w").identical(expected.tensors.at("w")));
    if (text.message.empty()) CHECK(read == lines);
    return tensors.happened || text.happened;
  });
  CHECK(faults >= 20);
  CHECK(failed >= 10);
}
