// Training: a workload that is the loss of a model and its gradients, on one tape, or on one per
// shard of the batch when there are several threads.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <unroll/autograd/parallel.h>
#include <unroll/bench/workload.h>

namespace unroll::bench {

class Training : public Workload {
 public:
  /// Shards are at most `batch`: a sequence is never cut.
  Training(const Setting& setting, std::int64_t batch);

  void step() override;
  std::size_t tape_bytes() override;
  std::size_t tape_nodes() override { return parallel_ ? 0 : tape_.size(); }
  train::TensorFile example() override;

 protected:
  /// The shard's part of the loss, undefined if there is none; the parts add up to the loss of the
  /// batch.
  virtual Variable loss(Tape& /*tape*/, int /*shard*/) { return {}; }
  /// Loss and gradients of the batch; if not overridden, those of `loss`.
  virtual LossAndGradients differentiate();
  /// What follows the gradients in a step: an optimiser, or nothing.
  virtual void update(Gradients& gradients);

  int shards() const { return shards_; }
  /// That of the only shard.
  Tape& tape() { return tape_; }
  /// Of several; null if there is only one.
  Parallel* parallel() { return parallel_ ? &*parallel_ : nullptr; }
  /// Registers sequences [T, B, ...] as parameters, for their gradient counts as work, too: whole,
  /// or one per shard.
  std::vector<Parameter> create_split(const std::string& name, const Tensor& sequences);
  /// Data of a step [T, B, ...]: named in the example, and cut into a part per shard.
  std::vector<Tensor> split_input(const std::string& name, const Tensor& sequences);

  ParameterSet parameters_{1};
  std::map<std::string, Tensor> inputs_;

 private:
  int shards_;
  Tape tape_;                         ///< of the only shard
  std::optional<Parallel> parallel_;  ///< if there are several
};

/// Columns of [T, B, ...] that belong to shard `shard` of `shards`: as equal in number as can be.
Tensor columns_of_shard(const Tensor& sequences, int shard, int shards);

/// float32 numbers, uniform in [-1, 1).
Tensor random_numbers(const Shape& shape, std::uint64_t seed);

}  // namespace unroll::bench
