// The network of the program `long_memory`: one layer of a cell and a linear map of its outputs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include <unroll/examples/tasks/parts/memory_tasks.h>
#include <unroll/examples/tasks/parts/program.h>
#include <unroll/nn/nn.h>

namespace unroll::tasks {

struct MemoryNetwork {
  using Cell = std::variant<nn::RNNCell, nn::GRUCell, nn::LSTMCell>;

  MemoryTask task;
  ParameterSet parameters;
  Cell cell;
  nn::Linear output;

  /// With any cell, made in its scope.
  MemoryNetwork(const MemoryTask& task, const Settings& s,
                const std::function<Cell(const Scope& scope)>& make_cell);
  /// With a cell that is called rnn, gru or lstm; ValueError for another name. The forget gates of
  /// the last are open at first, for the length of the task (Tallec and Ollivier 2018).
  MemoryNetwork(const MemoryTask& task, const Settings& s, const std::string& cell_name);
  static MemoryNetwork load(const Settings& s);
  std::map<std::string, std::string> metadata(const Settings& s,
                                              const std::string& cell_name) const;

  /// The sum of each sequence, [B]; or scores of the symbols, [kCopied, B, kSymbols].
  Variable operator()(const Variable& inputs, double dropout_rate = 0) const;
  /// The mean over the batch.
  Variable loss(Tape& tape, const MemoryBatch& batch, double dropout_rate = 0) const;
  /// The mean loss of new sequences.
  double error(int threads) const;
  /// The norm of the gradient of the last output, by each step's output: how much of an error at
  /// the end arrives there.
  std::vector<double> gradient_norms(const Tensor& inputs) const;
};

}  // namespace unroll::tasks
