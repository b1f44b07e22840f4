// Benchmarks of the engine. How to run them:
//
//   ./run bench                                      all
//   ./run bench --benchmark_filter=scalar_chain      those whose name matches
//   ./run bench --benchmark_repetitions=9 --benchmark_report_aggregates_only=true
//
// Everything runs on one thread. Each step records, differentiates and runs a program on a tape
// that is used again, as a training loop does. bench/compare_torch.py measures scalar_chain and the
// LSTM in PyTorch, interleaved with this program.
#include <benchmark/benchmark.h>

#include <vector>

#include <unroll/unroll.h>

namespace {

using namespace unroll;

// **** the cost of a node: 10,000 tanh of one number ****

void scalar_chain(benchmark::State& state) {
  constexpr int kLength = 10000;
  Tape tape;
  for (auto _ : state) {
    tape.reset();
    const Variable x = tape.input(Tensor::scalar(0.5));
    Variable y = x;
    for (int i = 0; i < kLength; ++i) y = tanh(y);
    const std::vector<Variable> dx = gradients(y, {x});
    evaluate({y, dx[0]});
    benchmark::DoNotOptimize(dx[0].item());
  }
  // Seconds per op and direction: each op is there once forwards and once backwards.
  state.counters["per_op_and_direction"] = benchmark::Counter(
      2.0 * kLength, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(scalar_chain)->Unit(benchmark::kMillisecond);

void scalar_chain_record(benchmark::State& state) {
  constexpr int kLength = 10000;
  Tape tape;
  for (auto _ : state) {
    tape.reset();
    Variable y = tape.input(Tensor::scalar(0.5));
    for (int i = 0; i < kLength; ++i) y = tanh(y);
    benchmark::DoNotOptimize(y.index());
  }
  state.counters["per_op"] = benchmark::Counter(
      kLength, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(scalar_chain_record)->Unit(benchmark::kMillisecond);

// **** an LSTM written from plain ops: loss and gradients of 50 steps ****

struct ComposedLstm {
  ParameterSet parameters;
  Parameter input_weight, hidden_weight, bias;

  ComposedLstm(std::int64_t input, std::int64_t hidden) {
    const auto draw = [](const Shape& shape, std::uint64_t seed) {
      return random_uniform(shape, seed, -0.06, 0.06);
    };
    const Scope scope = parameters.scope();
    input_weight = scope.parameter("input_weight", {input, 4 * hidden}, draw);
    hidden_weight = scope.parameter("hidden_weight", {hidden, 4 * hidden}, draw);
    bias = scope.parameter("bias", {4 * hidden}, draw);
  }

  /// The sum of all outputs for inputs [steps, batch, input].
  Variable loss(Tape& tape, const Tensor& inputs) const {
    const std::int64_t steps = inputs.shape()[0], batch = inputs.shape()[1];
    const std::int64_t hidden = hidden_weight.shape()[0];
    const Variable x = tape.input(inputs);
    Variable h = tape.constant(0, Dtype::float32, {batch, hidden}), c = h;
    std::vector<Variable> outputs;
    for (std::int64_t t = 0; t < steps; ++t) {
      const Variable gates = affine(select(x, 0, t), input_weight, bias) + matmul(h, hidden_weight);
      const std::vector<Variable> gate = split(gates, 4, 1);
      c = sigmoid(gate[0]) * c + sigmoid(gate[1]) * tanh(gate[2]);
      h = sigmoid(gate[3]) * tanh(c);
      outputs.push_back(sum(h));
    }
    return sum(stack(outputs));
  }
};

void lstm_step_composed(benchmark::State& state) {
  const std::int64_t steps = state.range(0), batch = state.range(1), hidden = state.range(2);
  const ComposedLstm lstm(hidden, hidden);
  const Tensor inputs = random_uniform({steps, batch, hidden}, 1, -1, 1, Dtype::float32);
  Tape tape;
  for (auto _ : state) {
    tape.reset();
    const Gradients g = gradients(lstm.loss(tape, inputs), lstm.parameters);
    benchmark::DoNotOptimize(g.size());
  }
  // Two products of [batch, hidden] and [hidden, 4 hidden] a step, twice as much backwards.
  const double flop = 3 * 2 * 2.0 * static_cast<double>(steps * batch * hidden * 4 * hidden);
  state.counters["flop/s"] =
      benchmark::Counter(flop, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["bytes"] = static_cast<double>(tape.memory_bytes());
}
BENCHMARK(lstm_step_composed)
    ->ArgNames({"T", "B", "H"})
    ->Args({50, 32, 256})
    ->Args({50, 8, 256})
    ->Args({50, 1, 64})
    ->Unit(benchmark::kMillisecond);

// **** products ****

void gemm(benchmark::State& state) {
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  Tape tape;
  const Tensor a = random_uniform({m, k}, 1, -1, 1, Dtype::float32);
  const Tensor b = random_uniform({k, n}, 2, -1, 1, Dtype::float32);
  for (auto _ : state) {
    tape.reset();
    const Variable y = matmul(tape.input(a), tape.input(b));
    evaluate({y});
    benchmark::DoNotOptimize(y.index());
  }
  state.counters["flop/s"] = benchmark::Counter(2.0 * static_cast<double>(m * k * n),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(gemm)
    ->ArgNames({"m", "k", "n"})
    ->Args({1, 256, 1024})
    ->Args({32, 256, 1024})
    ->Args({256, 1600, 1024})
    ->Args({1024, 1024, 1024})
    ->Unit(benchmark::kMicrosecond);

// **** pointwise: one formula over an array ****

void pointwise_gelu(benchmark::State& state) {
  const Tensor values = random_uniform({state.range(0)}, 1, -1, 1, Dtype::float32);
  Tape tape;
  for (auto _ : state) {
    tape.reset();
    const Variable y = gelu(tape.input(values));
    evaluate({y});
    benchmark::DoNotOptimize(y.index());
  }
  state.counters["per_element"] = benchmark::Counter(
      static_cast<double>(state.range(0)),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(pointwise_gelu)->Arg(64)->Arg(4096)->Arg(1 << 18)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
