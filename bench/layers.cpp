// W1, W3 and the layers of W4: nn::LSTM, nn::GRU and nn::RNN at the sizes people use. Names say
// steps/batch/width.
#include <unroll/bench/sequences.h>

namespace unroll::bench {

void add_layers(std::vector<Entry>& entries) {
  for (const Sizes& sizes : {Sizes{35, 20, 200}, {50, 32, 256}, {50, 64, 512}, {20, 128, 1024}}) {
    entries.push_back(sequence_entry<LstmNet>("W1", sizes, 4, "nn::LSTM"));
  }
  for (const Sizes& sizes : {Sizes{50, 32, 256}, {100, 1, 256}}) {
    entries.push_back(sequence_entry<GruNet>("W3/gru", sizes, 3, "nn::GRU"));
    entries.push_back(sequence_entry<RnnNet>("W3/rnn", sizes, 1, "nn::RNN with tanh"));
  }
  for (const Sizes& sizes : {Sizes{50, 1, 32}, {50, 1, 64}, {100, 1, 256}}) {
    entries.push_back(sequence_entry<LstmNet>("W4/lstm", sizes, 4, "nn::LSTM, one short sequence"));
  }
}

}  // namespace unroll::bench
