// Examples in batches: in random order for training, and a function of every batch on all threads
// for evaluation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include <unroll/autograd/tape.h>

namespace unroll::train {

/// The examples of a batch, as positions in the user's data.
using Examples = std::span<const std::size_t>;
using Batches = std::vector<std::vector<std::size_t>>;

/// `count` examples in random order, cut into batches of `size` (the last may be smaller); each
/// epoch in another order. Throws ValueError unless size >= 1.
Batches shuffled_batches(std::size_t count, std::size_t size, std::uint64_t seed, int epoch);

namespace detail {
void for_each_batch(std::size_t count,
                    const std::function<void(Tape& tape, std::size_t batch)>& work, int threads);
}

/// The results of f(tape, examples) for every batch, in the order of the batches: evaluation and
/// prediction, on all threads (0) or so many. The tapes are not in training mode and record no
/// gradients. The results do not depend on the threads.
template <class F>
auto map_batches(const Batches& batches, const F& f, int threads = 0) {
  std::vector<std::invoke_result_t<const F&, Tape&, Examples>> results(batches.size());
  detail::for_each_batch(
      batches.size(), [&](Tape& tape, std::size_t i) { results[i] = f(tape, batches[i]); },
      threads);
  return results;
}

/// The same for an f without result, which writes to places of its own per example.
template <class F>
requires std::is_void_v<std::invoke_result_t<const F&, Tape&, Examples>>
void for_each_batch(const Batches& batches, const F& f, int threads = 0) {
  detail::for_each_batch(
      batches.size(), [&](Tape& tape, std::size_t i) { f(tape, batches[i]); }, threads);
}

}  // namespace unroll::train
