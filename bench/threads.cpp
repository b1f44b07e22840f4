// W10: the same 16 shards on 1 to all threads; the bits must not change, only the time.
#include <algorithm>
#include <thread>

#include <unroll/bench/sequences.h>

namespace unroll::bench {

void add_threads(std::vector<Entry>& entries) {
  constexpr int kShards = 16;
  const int most = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (const Sizes& sizes : {Sizes{50, 64, 512}, {50, 128, 256}}) {
    for (int threads = 1; threads <= most; ++threads) {
      Entry entry = sequence_entry<LstmNet>("W10", sizes, 4, "nn::LSTM in 16 shards");
      entry.name += '/' + std::to_string(threads);
      entry.threads = threads;
      entry.shards = kShards;
      entries.push_back(entry);
    }
  }
}

}  // namespace unroll::bench
