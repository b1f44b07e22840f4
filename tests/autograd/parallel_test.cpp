// Shards: the same bits for any number of threads, the gradient of the whole batch, errors.
#include <atomic>
#include <cmath>
#include <stdexcept>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr int kBatch = 12, kLength = 5, kWords = 30, kWidth = 8;

Tensor small(const Shape& shape, std::uint64_t seed) {
  return random_uniform(shape, seed, -0.3, 0.3);
}

ParameterSet model_parameters(Dtype dtype) {
  ParameterSet parameters(4, dtype);
  const Scope scope = parameters.scope();
  scope.parameter("embedding", {kWords, kWidth}, small);
  scope.parameter("recurrent", {kWidth, kWidth}, small);
  scope.parameter("output", {kWidth, kWords}, small);
  scope.parameter("bias", {kWords}, small);
  scope.parameter("unused", {3}, small);
  return parameters;
}

/// Token ids of some sentences of the batch: [sentences, kLength].
Tensor sentences(int first, int count) {
  std::vector<std::int32_t> ids;
  for (int b = first; b < first + count; ++b) {
    Random random(static_cast<std::uint64_t>(b));
    for (int t = 0; t < kLength; ++t) ids.push_back(static_cast<int>(random.below(kWords)));
  }
  return Tensor({count, kLength}, ids);
}

/// Sum over sentences of the loss of guessing each next word; attention over the past by softmax.
Variable sentence_loss(Tape& tape, const ParameterSet& p, int first, int count, double dropped) {
  const Variable ids = tape.input(sentences(first, count));
  const Variable x = dropout(rows(p[0], ids), dropped);
  Variable h = tape.constant(0, p.dtype(), {count, kWidth}), loss;
  for (int t = 0; t + 1 < kLength; ++t) {
    h = tanh(select(x, 1, t) + matmul(h, p[1]) * softmax(h));
    const Variable logits = affine(dropout(h, dropped), p[2], p[3]);
    const Variable part =
        cross_entropy(logits, select(ids, 1, t + 1), {.reduction = Reduction::sum});
    loss = loss.defined() ? loss + part : part;
  }
  return loss / static_cast<double>(kBatch);
}

ShardLoss sharded(const ParameterSet& parameters, int shards, double dropped) {
  return [&parameters, shards, dropped](Tape& tape, int shard) {
    const int first = kBatch * shard / shards, last = kBatch * (shard + 1) / shards;
    return sentence_loss(tape, parameters, first, last - first, dropped);
  };
}

bool identical(const ParameterSet& parameters, const Gradients& a, const Gradients& b) {
  bool same = true;
  for (const Parameter& p : parameters) {
    same = same && a.contains(p) == b.contains(p) && a[p].identical(b[p]);
  }
  return same;
}

}  // namespace

TEST_CASE("gradients are the same bits for any number of threads", "[parallel]") {
  const ParameterSet parameters = model_parameters(Dtype::float32);
  const auto run = [&](int threads, std::uint64_t seed) {
    Parallel parallel({.shards = 6, .threads = threads});
    parallel.gradients(parameters, sharded(parameters, 6, 0.3), seed + 1);  // warm, other seed
    return parallel.gradients(parameters, sharded(parameters, 6, 0.3), seed);
  };
  const LossAndGradients one = run(1, 7);
  CHECK(std::isfinite(one.loss));
  for (const int threads : {2, 3, 8, 0}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      const LossAndGradients many = run(threads, 7);
      INFO(threads << " threads");
      CHECK(many.loss == one.loss);
      CHECK(identical(parameters, many.gradients, one.gradients));
    }
  }
  // Dropout does follow the seed.
  CHECK(run(2, 8).loss != one.loss);
}

TEST_CASE("shards add up to the gradient of the whole batch", "[parallel]") {
  const ParameterSet parameters = model_parameters(Dtype::float64);
  Tape tape;
  const Variable loss = sentence_loss(tape, parameters, 0, kBatch, 0);
  const Gradients whole = gradients(loss, parameters);
  for (const int shards : {1, 3, 5, 12}) {
    const LossAndGradients sum =
        parallel_gradients(parameters, shards, sharded(parameters, shards, 0));
    INFO(shards << " shards");
    CHECK(sum.loss == Approx(loss.item()).epsilon(1e-13));
    for (const Parameter& p : parameters) {
      CHECK(sum.gradients.contains(p) == (p.name() != "unused"));
      const Tensor a = sum.gradients[p], b = whole[p];
      for (std::int64_t i = 0; i < a.size(); ++i) {
        REQUIRE(a.at(i) == Approx(b.at(i)).epsilon(1e-11).margin(1e-13));
      }
    }
  }
}

TEST_CASE("an undefined loss is an empty shard", "[parallel]") {
  const ParameterSet parameters = model_parameters(Dtype::float64);
  Parallel parallel({.shards = 4, .threads = 2});
  const LossAndGradients some = parallel.gradients(parameters, [&](Tape& tape, int shard) {
    return shard == 2 ? sentence_loss(tape, parameters, 0, 3, 0) : Variable();
  });
  Tape tape;
  const Variable loss = sentence_loss(tape, parameters, 0, 3, 0);
  // Before the loss: a value that was computed already is not part of the plan, and sums of another
  // plan may be in another order.
  CHECK(identical(parameters, some.gradients, gradients(loss, parameters)));
  CHECK(some.loss == loss.item());
  const LossAndGradients none =
      parallel.gradients(parameters, [](Tape&, int) { return Variable(); });
  CHECK(none.loss == 0);
  CHECK_FALSE(none.gradients.contains(parameters[0]));
}

TEST_CASE("the lowest shard's error comes out, and the object goes on working", "[parallel]") {
  const ParameterSet parameters = model_parameters(Dtype::float32);
  const ShardLoss good = sharded(parameters, 6, 0);
  for (const int threads : {1, 3}) {
    Parallel parallel({.shards = 6, .threads = threads});
    const double expected = parallel.gradients(parameters, good).loss;
    const ShardLoss failing = [&](Tape& tape, int shard) -> ShardOutput {
      if (shard == 2) throw std::runtime_error("shard two");
      if (shard == 4) throw std::logic_error("shard four");
      return good(tape, shard);
    };
    CHECK(thrown_message([&] { parallel.gradients(parameters, failing); }) == "shard two");
    const ShardLoss not_scalar = [&](Tape& tape, int) { return tape.use(parameters[0]); };
    CHECK_THROWS_AS(parallel.gradients(parameters, not_scalar), ShapeError);
    CHECK(parallel.gradients(parameters, good).loss == expected);
  }
}

TEST_CASE("work without gradients runs once for every shard with its tape", "[parallel]") {
  Parallel parallel({.shards = 5, .threads = 3, .tape = {.training = false}});
  CHECK(parallel.shards() == 5);
  std::array<std::atomic<int>, 5> calls{};
  std::array<TapeOptions, 5> options;
  std::atomic<int> recorded_before = 0;
  for (int repeat = 0; repeat < 2; ++repeat) {
    parallel.run(
        [&](Tape& tape, int shard) {
          ++calls[static_cast<std::size_t>(shard)];
          options[static_cast<std::size_t>(shard)] = tape.options();
          recorded_before += static_cast<int>(tape.size());
          tape.input(Tensor::scalar(1));
        },
        3);
  }
  for (const auto& count : calls) CHECK(count == 2);
  CHECK(recorded_before == 0);
  CHECK(options[0].seed != options[1].seed);
  CHECK_FALSE(options[4].training);
}

TEST_CASE("impossible options are refused", "[parallel]") {
  CHECK_THROWS_AS(Parallel({.shards = 0}), ValueError);
  CHECK_THROWS_AS(Parallel({.shards = -1}), ValueError);
  CHECK_THROWS_AS(Parallel({.shards = 1, .threads = -1}), ValueError);
  const ParameterSet parameters = model_parameters(Dtype::float32);
  CHECK_THROWS_AS(parallel_gradients(parameters, 0, sharded(parameters, 1, 0)), ValueError);
}

TEST_CASE("more shards than sentences, more threads than cores", "[parallel]") {
  const ParameterSet parameters = model_parameters(Dtype::float64);
  const double expected = parallel_gradients(parameters, 1, sharded(parameters, 1, 0)).loss;
  const auto many = parallel_gradients(
      parameters, 40,
      [&](Tape& tape, int shard) {
        return shard < kBatch ? sentence_loss(tape, parameters, shard, 1, 0) : Variable();
      },
      {.threads = 32});
  CHECK(many.loss == Approx(expected).epsilon(1e-13));
}
