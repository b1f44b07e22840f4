// Recycled memory: what is given back is taken again, within bounds; size classes.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <unroll/autograd/recycled.h>
#include <unroll/autograd/size_class.h>
#include <unroll/autograd/tensor.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// False under a sanitizer.
bool recycles() {
  RecycledMemory::give_back(RecycledMemory::take(1), 1);
  return RecycledMemory::idle_bytes() > 0;
}

/// So many blocks at the same time.
void use(int count, std::size_t bytes) {
  std::vector<void*> blocks;
  for (int i = 0; i < count; ++i) blocks.push_back(RecycledMemory::take(bytes));
  for (void* const block : blocks) RecycledMemory::give_back(block, bytes);
}

/// Little, for so long that what was in use before, `peak` MiB at most, is not of late any more.
void use_little(int peak) {
  for (int i = 0; i < 8 * peak; ++i) use(1, kMiB);
}

}  // namespace

TEST_CASE("what is given back is taken again for a similar size", "[memory]") {
  if (!recycles()) return;
  void* const first = RecycledMemory::take(1000);
  RecycledMemory::give_back(first, 1000);
  const std::size_t idle = RecycledMemory::idle_bytes();
  CHECK(idle >= 1000);
  void* const second = RecycledMemory::take(970);
  CHECK(second == first);
  CHECK(RecycledMemory::idle_bytes() < idle);
  RecycledMemory::give_back(second, 970);
  CHECK(RecycledMemory::idle_bytes() == idle);

  const void* buffer = nullptr;
  {
    const Tensor tensor({333, 7});
    buffer = tensor.raw();
  }
  const Tensor again({333, 7});
  CHECK(again.raw() == buffer);
  CHECK(again.at(2000) == 0);
}

TEST_CASE("memory of any size is aligned and all there", "[memory]") {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{65},
                                  std::size_t{5000}, 2 * kMiB, 3 * kMiB + 1}) {
    for (int round = 0; round < 2; ++round) {
      void* const memory = RecycledMemory::take(bytes);
      CHECK(reinterpret_cast<std::uintptr_t>(memory) % kAlignment == 0);
      std::memset(memory, round, bytes);
      RecycledMemory::give_back(memory, bytes);
    }
  }
}

TEST_CASE("memory that waits is bounded by what was in use of late", "[memory]") {
  if (!recycles()) return;
  // What is in use otherwise is some tensors of other tests.
  use(10, 40 * kMiB);
  CHECK(RecycledMemory::idle_bytes() >= 400 * kMiB);
  CHECK(RecycledMemory::idle_bytes() < 480 * kMiB);
  use(5, 80 * kMiB);  // other sizes
  CHECK(RecycledMemory::idle_bytes() < 480 * kMiB);
  use_little(480);
  CHECK(RecycledMemory::idle_bytes() < 80 * kMiB);
}

TEST_CASE("memory that every step holds waits from one to the next", "[memory]") {
  if (!recycles()) return;
  std::vector<void*> blocks(20);
  for (int step = 0; step < 30; ++step) {
    for (void*& block : blocks) {
      block = RecycledMemory::take(10 * kMiB);
      for (int i = 0; i < 3; ++i) {  // what a step takes is more than it holds at a time
        RecycledMemory::give_back(RecycledMemory::take(9 * kMiB), 9 * kMiB);
      }
    }
    for (void* const block : blocks) RecycledMemory::give_back(block, 10 * kMiB);
    CHECK(RecycledMemory::idle_bytes() >= 200 * kMiB);
  }
  use_little(280);
}

TEST_CASE("memory may be given back by another thread", "[memory]") {
  std::vector<RecycledVector<std::size_t>> lists(64);
  std::atomic<bool> shared = false;
  const auto work = [&](std::size_t begin) {
    for (std::size_t i = begin; i < begin + 32; ++i) lists[i].assign(1 + i * 7, i);
    for (std::size_t i = 0; i < 2000; ++i) {
      const RecycledVector<std::size_t> own(1 + i % 300, begin + i);
      if (own.front() != begin + i || own.back() != begin + i) shared = true;
    }
  };
  for (int round = 0; round < 4; ++round) {
    // Each list is given back by the thread that did not make it.
    std::thread other(work, round % 2 == 0 ? 0 : 32);
    work(round % 2 == 0 ? 32 : 0);
    other.join();
  }
  CHECK_FALSE(shared);
  for (std::size_t i = 0; i < lists.size(); ++i) CHECK(lists[i].back() == i);
}

TEST_CASE("a size class is at most a quarter too large", "[memory]") {
  std::size_t last = 0;
  for (std::size_t bytes = 1; bytes < 64 * kMiB; bytes += 1 + bytes / 37) {
    const std::size_t index = size_class(bytes), held = bytes_of_class(index);
    REQUIRE(index < kSizeClasses);
    REQUIRE(index >= last);
    REQUIRE(held >= bytes);
    REQUIRE(held <= bytes + bytes / 4 + kAlignment);
    REQUIRE(size_class(held) == index);
    last = index;
  }
  CHECK(size_class(std::size_t{1} << 62) < kSizeClasses);
}
