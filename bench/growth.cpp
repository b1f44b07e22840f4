// W8: long sequences, for memory. W9: one size grows at a time, for the exponent of time by it.
// W11: steps so small that recording and planning show.
#include <unroll/bench/sequences.h>

namespace unroll::bench {

namespace {

/// "W9/T/400": only what grows is named.
Entry growing(const char* family, const Sizes& sizes, std::int64_t x) {
  Entry entry = sequence_entry<LstmNet>(family, sizes, 4, "nn::LSTM " + sizes.name());
  entry.name = std::string(family) + '/' + std::to_string(x);
  entry.x = static_cast<double>(x);
  return entry;
}

}  // namespace

void add_growth(std::vector<Entry>& entries) {
  for (const std::int64_t steps : {500, 1'000, 4'000, 10'000}) {
    entries.push_back(
        sequence_entry<LstmNet>("W8", {steps, 32, 256}, 4, "nn::LSTM over long sequences"));
  }
  entries.push_back(
      sequence_entry<LstmNet>("W8", {1'000, 32, 512}, 4, "nn::LSTM over long sequences"));
  for (std::int64_t steps = 25; steps <= 3'200; steps *= 2) {
    entries.push_back(growing("W9/T", {steps, 32, 256}, steps));
  }
  for (std::int64_t batch = 1; batch <= 256; batch *= 2) {
    entries.push_back(growing("W9/B", {50, batch, 256}, batch));
  }
  for (std::int64_t hidden = 32; hidden <= 1'024; hidden *= 2) {
    entries.push_back(growing("W9/H", {50, 32, hidden}, hidden));
  }
  for (const std::int64_t steps : {50, 500, 5'000}) {
    entries.push_back(growing("W11/T", {steps, 1, 16}, steps));
  }
}

}  // namespace unroll::bench
