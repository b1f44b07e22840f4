// Batches, and the work on each.
#include <unroll/train/examples.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <numeric>
#include <thread>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>

namespace unroll::train {

Batches shuffled_batches(std::size_t count, std::size_t size, std::uint64_t seed, int epoch) {
  if (size < 1) throw ValueError("shuffled_batches: got batches of 0; expected at least 1");
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(mix(seed, static_cast<std::uint64_t>(epoch)));
  for (std::size_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  }
  Batches batches;
  for (std::size_t begin = 0; begin < count; begin += size) {
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    batches.emplace_back(first, first + static_cast<std::ptrdiff_t>(std::min(size, count - begin)));
  }
  return batches;
}

void detail::for_each_batch(std::size_t count,
                            const std::function<void(Tape& tape, std::size_t batch)>& work,
                            int threads) {
  if (count == 0) return;
  // As many tapes as threads, for each keeps the memory of its largest batch.
  const std::size_t all = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t tapes = std::min(count, threads > 0 ? static_cast<std::size_t>(threads) : all);
  Parallel parallel(
      {.shards = static_cast<int>(tapes), .threads = threads, .tape = {.training = false}});
  std::atomic<std::size_t> next = 0;
  std::vector<std::exception_ptr> errors(count);
  parallel.run([&](Tape& tape, int) {
    for (std::size_t i = next++; i < count; i = next++) {
      tape.reset(i);  // what is random belongs to the batch
      const auto constant = tape.no_gradient();
      try {
        work(tape, i);
      } catch (...) {
        errors[i] = std::current_exception();
        next = count;
      }
    }
  });
  // The first batch's that has one: all before it have been begun.
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace unroll::train
