#include <unroll/text/batches.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <utility>

#include <unroll/autograd/error.h>

namespace unroll::text {
namespace {

// std::shuffle and the standard distributions may differ from one library to the next; the engines
// and std::seed_seq may not.
class Shuffler {
 public:
  Shuffler(std::uint64_t seed, std::uint64_t epoch) {
    std::seed_seq sequence{low(seed), high(seed), low(epoch), high(epoch)};
    engine_.seed(sequence);
  }

  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  static std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
  static std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

  // Uniform over [0, bound): draws from the incomplete last stretch of the range are refused.
  std::size_t below(std::uint64_t bound) {
    const std::uint64_t excess = (std::mt19937_64::max() % bound + 1) % bound;
    std::uint64_t draw = engine_();
    while (draw > std::mt19937_64::max() - excess) draw = engine_();
    return static_cast<std::size_t>(draw % bound);
  }

  std::mt19937_64 engine_;
};

std::int32_t longest(const ExampleLength& length) { return std::max(length.source, length.target); }

void check(const std::vector<ExampleLength>& lengths, const BatchOptions& options) {
  if (options.max_tokens < 1 || options.window < 1) {
    throw ValueError("make_batches: max_tokens " + std::to_string(options.max_tokens) +
                     ", window " + std::to_string(options.window) + "; expected 1 or more");
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i].source < 0 || lengths[i].target < 0) {
      throw ValueError("make_batches: example " + std::to_string(i) + " has the lengths " +
                       std::to_string(lengths[i].source) + " and " +
                       std::to_string(lengths[i].target) + "; expected 0 or more");
    }
  }
}

}  // namespace

std::vector<std::vector<std::size_t>> make_batches(const std::vector<ExampleLength>& lengths,
                                                   const BatchOptions& options,
                                                   std::uint64_t epoch) {
  check(lengths, options);
  Shuffler shuffler(options.seed, epoch);
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffler.shuffle(order);

  const auto by_length = [&](std::size_t a, std::size_t b) {
    const auto key = [](const ExampleLength& l) {
      return std::tuple(longest(l), l.target, l.source);
    };
    return key(lengths[a]) < key(lengths[b]);
  };
  std::vector<std::vector<std::size_t>> batches;
  for (std::size_t begin = 0; begin < order.size();) {
    const std::size_t end = begin + std::min(options.window, order.size() - begin);
    const auto at = [&](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(i); };
    std::stable_sort(at(begin), at(end), by_length);
    std::vector<std::size_t> batch;
    for (std::size_t i = begin; i < end; ++i) {
      // In this order the newest example of a batch is its longest.
      const auto count = static_cast<std::int64_t>(batch.size()) + 1;
      if (!batch.empty() && count * longest(lengths[order[i]]) > options.max_tokens) {
        batches.push_back(std::exchange(batch, {}));
      }
      batch.push_back(order[i]);
    }
    batches.push_back(std::move(batch));
    begin = end;
  }
  shuffler.shuffle(batches);
  return batches;
}

PaddedIds padded(const std::vector<std::vector<std::int32_t>>& sequences,
                 std::span<const std::size_t> positions, const PaddingOptions& options) {
  PaddedIds result;
  std::size_t longest = 0;
  for (const std::size_t i : positions) {
    if (i >= sequences.size()) {
      throw ValueError("padded: got position " + std::to_string(i) + "; expected less than " +
                       std::to_string(sequences.size()) + ", the number of sequences");
    }
    result.lengths.push_back(static_cast<std::int32_t>(sequences[i].size()));
    longest = std::max(longest, sequences[i].size());
  }
  const std::size_t batch = positions.size();
  const auto rows = static_cast<std::int64_t>(options.batch_first ? batch : longest);
  const auto columns = static_cast<std::int64_t>(options.batch_first ? longest : batch);
  result.ids = Tensor({rows, columns}, Dtype::int32);
  const auto ids = result.ids.mutable_data<std::int32_t>();
  std::ranges::fill(ids, options.pad);
  for (std::size_t b = 0; b < batch; ++b) {
    const std::vector<std::int32_t>& sequence = sequences[positions[b]];
    for (std::size_t t = 0; t < sequence.size(); ++t) {
      ids[options.batch_first ? b * longest + t : t * batch + b] = sequence[t];
    }
  }
  return result;
}

PaddedIds padded(const std::vector<std::vector<std::int32_t>>& sequences,
                 const PaddingOptions& options) {
  std::vector<std::size_t> all(sequences.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return padded(sequences, all, options);
}

}  // namespace unroll::text
