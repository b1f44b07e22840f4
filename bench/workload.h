// What a benchmark is made of: a workload that makes steps, an entry in the list that says what a
// step costs, and a file through which a peer gets the same numbers to compute with.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <unroll/autograd/tape.h>
#include <unroll/train/safetensors.h>

namespace unroll::bench {

struct Setting {
  int threads = 1;
  int shards = 0;         ///< into how many parts the batch is cut; 0: one per thread
  TapeOptions tape = {};  ///< of every tape
  std::string data;  ///< folder with multi30k/ and ptb/; "": generated data of the same statistics
};

/// How far a peer's loss and gradients are from ours.
struct Difference {
  double relative = 0;  ///< the largest of all, each by the norm of what was expected
  std::string where;
};

/// What one step is worth. Only real sequence elements count, no padding.
struct Cost {
  double flop = 0;    ///< of the products, forward and backward; 0: not a matter of products
  double tokens = 0;  ///< sequence elements; 0: does not apply
};

/// A benchmark with its data, ready to be timed.
class Workload {
 public:
  virtual ~Workload() = default;

  virtual void step() = 0;
  const Cost& cost() const { return cost_; }
  /// Bytes that the tapes hold for values; 0 if there is no tape.
  virtual std::size_t tape_bytes() { return 0; }
  /// Ops that the last step recorded, without their derivatives; 0 if there is no one tape.
  virtual std::size_t tape_nodes() { return 0; }
  /// "parameter:NAME" and "gradient:NAME" of every parameter, "input:NAME", "loss": the present
  /// ones, for peers. Empty for a workload that has no peers.
  virtual train::TensorFile example() { return {}; }
  /// For a peer: takes over inputs and parameters of an example, makes one step, and compares.
  virtual Difference load(const train::TensorFile& example);

 protected:
  Cost cost_;
};

/// One line of the list.
struct Entry {
  std::string name;  ///< "W1/50/32/256"
  std::string what;
  std::function<std::unique_ptr<Workload>(const Setting&)> make;
  int threads = 0;  ///< fixed by the entry; 0: as the caller says
  int shards = 0;   ///< likewise
  double x = 0;     ///< for a series, what grows: the exponent of time by it is fitted
};

/// Of a vector [in] by a matrix [out, in]: forward, and twice that backward.
inline double flop_of_product(double out, double in) { return 3 * 2 * out * in; }

/// Sizes of a recurrent layer; the input is as wide as the state.
struct Sizes {
  std::int64_t steps, batch, hidden;

  std::string name() const {
    return std::to_string(steps) + '/' + std::to_string(batch) + '/' + std::to_string(hidden);
  }
  Cost cost(int gates) const {
    const auto tokens = static_cast<double>(steps * batch), h = static_cast<double>(hidden);
    return {.flop = tokens * flop_of_product(gates * h, h + h), .tokens = tokens};
  }
};

/// All entries, in the order of the list. Each family adds its own.
std::vector<Entry> all_entries();
void add_layers(std::vector<Entry>& entries);          // W1, W3, W4
void add_cells(std::vector<Entry>& entries);           // W2
void add_chain(std::vector<Entry>& entries);           // W4
void add_translation(std::vector<Entry>& entries);     // W5
void add_language_model(std::vector<Entry>& entries);  // W6
void add_ragged(std::vector<Entry>& entries);          // W7
void add_growth(std::vector<Entry>& entries);          // W8, W9
void add_threads(std::vector<Entry>& entries);         // W10
void add_micro(std::vector<Entry>& entries);
void add_onednn(std::vector<Entry>& entries);

std::string onednn_version();

}  // namespace unroll::bench
