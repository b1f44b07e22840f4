// Training: one tape or several, and the example for peers.
#include <algorithm>
#include <cstring>
#include <utility>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/bench/training.h>

namespace unroll::bench {

Training::Training(const Setting& setting, std::int64_t batch)
    : shards_(static_cast<int>(
          std::min<std::int64_t>(setting.shards > 0 ? setting.shards : setting.threads, batch))),
      tape_(setting.tape) {
  if (shards_ > 1 || setting.threads > 1) {
    parallel_.emplace(
        ParallelOptions{.shards = shards_, .threads = setting.threads, .tape = setting.tape});
  }
}

LossAndGradients Training::differentiate() {
  if (parallel_) {
    return parallel_->gradients(parameters_,
                                [&](Tape& tape, int shard) { return loss(tape, shard); });
  }
  tape_.reset();
  const Variable total = loss(tape_, 0);
  Gradients found = gradients(total, parameters_);
  return {total.item(), std::move(found)};
}

void Training::step() {
  LossAndGradients result = differentiate();
  update(result.gradients);
}

void Training::update(Gradients&) {}

std::size_t Training::tape_bytes() {
  if (!parallel_) return tape_.memory_bytes();
  std::vector<std::size_t> bytes(static_cast<std::size_t>(shards_));
  parallel_->run(
      [&](Tape& tape, int shard) { bytes[static_cast<std::size_t>(shard)] = tape.memory_bytes(); });
  std::size_t total = 0;
  for (const std::size_t part : bytes) total += part;
  return total;
}

train::TensorFile Training::example() {
  train::TensorFile file;
  for (const auto& [name, value] : inputs_) file.tensors.emplace("input:" + name, value);
  for (const Parameter& parameter : parameters_) {
    file.tensors.emplace("parameter:" + parameter.name(), parameter.value());
  }
  const LossAndGradients result = differentiate();
  file.tensors.emplace("loss", Tensor::scalar(result.loss, Dtype::float64));
  for (const Parameter& parameter : parameters_) {
    file.tensors.emplace("gradient:" + parameter.name(), result.gradients[parameter]);
  }
  return file;
}

std::vector<Parameter> Training::create_split(const std::string& name, const Tensor& sequences) {
  if (shards_ == 1) return {parameters_.create(name, sequences)};
  std::vector<Parameter> parts;
  for (int shard = 0; shard < shards_; ++shard) {
    parts.push_back(parameters_.create(name + "." + std::to_string(shard),
                                       columns_of_shard(sequences, shard, shards_)));
  }
  return parts;
}

std::vector<Tensor> Training::split_input(const std::string& name, const Tensor& sequences) {
  inputs_.emplace(name, sequences);
  std::vector<Tensor> parts;
  for (int shard = 0; shard < shards_; ++shard) {
    parts.push_back(columns_of_shard(sequences, shard, shards_));
  }
  return parts;
}

Tensor columns_of_shard(const Tensor& sequences, int shard, int shards) {
  if (shards == 1) return sequences;
  const std::int64_t steps = sequences.shape()[0], batch = sequences.shape()[1];
  const std::int64_t begin = batch * shard / shards, end = batch * (shard + 1) / shards;
  Shape shape = sequences.shape().without(1).inserted(1, end - begin);
  Tensor part = Tensor::uninitialized(shape, sequences.dtype());
  if (part.size() == 0) return part;
  const std::size_t column = sequences.bytes() / static_cast<std::size_t>(steps * batch);
  const auto* from = static_cast<const std::byte*>(sequences.raw());
  auto* to = static_cast<std::byte*>(part.mutable_raw());
  const std::size_t width = static_cast<std::size_t>(end - begin) * column;
  for (std::int64_t t = 0; t < steps; ++t, to += width) {
    std::memcpy(to, from + static_cast<std::size_t>(t * batch + begin) * column, width);
  }
  return part;
}

Tensor random_numbers(const Shape& shape, std::uint64_t seed) {
  return random_uniform(shape, seed, -1, 1, Dtype::float32);
}

}  // namespace unroll::bench
