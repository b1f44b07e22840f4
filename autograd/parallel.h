// Data parallelism: a batch is cut into a fixed number of shards, each with a tape of its own; TBB
// runs them; gradients are added in shard order. The result does not depend on the thread count.
// Optimisers take no part in this: they spread their updates over threads by themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>

namespace unroll {

struct ParallelOptions {
  int shards = 8;      ///< fixed: part of what the result is, unlike the thread count
  int threads = 0;     ///< 0: as many as the machine has
  TapeOptions tape{};  ///< of every shard; the seed differs from shard to shard
};

/// A loss and its gradients.
struct LossAndGradients {
  double loss = 0;
  Gradients gradients;
};

/// What a shard recorded: its loss, undefined for an empty shard, and other values that its run is
/// to leave on the tape. They can be asked for until the next call for the same tapes.
struct ShardOutput {
  ShardOutput(Variable shard_loss, Variables others = {})  // NOLINT: a loss is enough
      : loss(std::move(shard_loss)), also(std::move(others)) {}
  Variable loss;
  Variables also;
};

/// Records the loss of one shard of the batch on its tape. Called from several threads at once.
using ShardLoss = std::function<ShardOutput(Tape& tape, int shard)>;

/// Keeps the tapes of the shards between steps, so that their memory is used again. Its calls start
/// threads of their own, but one object is to be used from one thread at a time.
class Parallel {
 public:
  /// Throws ValueError unless shards >= 1 and threads >= 0, and what the tape's options make Tape
  /// throw.
  explicit Parallel(ParallelOptions options = {});
  ~Parallel();
  Parallel(Parallel&&) noexcept;
  Parallel& operator=(Parallel&&) noexcept;

  int shards() const;
  /// The sums over all shards of loss and gradients; scale each shard's loss so that they mean
  /// what you want. An undefined Variable from `loss` means an empty shard. `seed` drives the
  /// random ops of this step. An exception in a shard is thrown here; the lowest shard's wins.
  LossAndGradients gradients(const ParameterSet& parameters, const ShardLoss& loss,
                             std::uint64_t seed = 0);
  /// Where a loss or a gradient of the last call of `gradients` began to be NaN or infinite, see
  /// find_non_finite; empty if none did. The parameters must not have changed since.
  std::string find_non_finite(const ParameterSet& parameters) const;
  /// Runs `work(tape, shard)` for every shard without gradients (evaluation, decoding).
  void run(const std::function<void(Tape& tape, int shard)>& work, std::uint64_t seed = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One step with tapes of its own; prefer Parallel in a loop.
LossAndGradients parallel_gradients(const ParameterSet& parameters, int shards,
                                    const ShardLoss& loss, ParallelOptions options = {});

}  // namespace unroll
