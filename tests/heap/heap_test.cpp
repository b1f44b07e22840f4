// A training step of a structure that was seen before asks the heap for nothing: what it needs, the
// step before it gave back.
#include <cstdlib>
#include <functional>

#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>
#include <unroll/bench/heap.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr std::int64_t kSteps = 7, kBatch = 5,
                       kWidth = 96;  // more elements than one thread updates

/// False under a sanitizer, which has a heap of its own.
bool is_counted() {
  const std::uint64_t before = bench::heap_calls();
  void* volatile memory = std::malloc(1);
  std::free(memory);
  return bench::heap_calls() > before;
}

/// Calls of the heap in ten steps, after three.
std::uint64_t calls_when_warm(const std::function<void()>& step) {
  for (int i = 0; i < 3; ++i) step();
  const std::uint64_t before = bench::heap_calls();
  for (int i = 0; i < 10; ++i) step();
  return bench::heap_calls() - before;
}

/// A cell with parts of arrays, sums over an axis, and parts put together.
struct HandCell {
  struct State {
    Variable h, c;
  };
  nn::Linear from_both;
  Parameter scale;

  HandCell(const Scope& scope, std::int64_t in, std::int64_t hidden)
      : from_both(scope / "both", in + hidden, 3 * hidden),
        scale(scope.parameter("scale", {hidden}, nn::init::ones())) {}
  State initial_state(const Variable& like, std::int64_t batch) const {
    const auto zeros = nn::zeros_like(like, {batch, scale.shape()[0]});
    return {zeros, zeros};
  }
  State step(const Variable& x, const State& s) const {
    const auto gates = split(from_both(concat({x, s.h}, -1)), 3, -1);
    const Variable c = sigmoid(gates[0]) * s.c + tanh(gates[1]);
    const Variable centred = (c - mean(c, -1, true)) * nn::use_like(c, scale);
    return {sigmoid(gates[2]) * tanh(centred), c};
  }
};

template <class Net, class Optimizer = optim::Adam>
void check_no_calls(const char* name,
                    const std::function<Variable(const Net&, const Variable&)>& run) {
  if (!is_counted()) return;
  INFO(name);
  ParameterSet parameters(1);
  const Net net(parameters.scope("net"), kWidth, kWidth);
  Optimizer optimizer(parameters, {.lr = 0.01});
  const Tensor x = random_uniform({kSteps, kBatch, kWidth}, 1, -1, 1, Dtype::float32);
  const Tensor targets = random_uniform({kSteps, kBatch, kWidth}, 2, -1, 1, Dtype::float32);
  Tape tape;
  double loss_value = 0;
  CHECK(calls_when_warm([&] {
          tape.reset();
          const Variable loss = mse_loss(run(net, tape.input(x)), tape.input(targets));
          Gradients found = gradients(loss, parameters);
          optim::clip_norm(found, 1);
          optimizer.step(found);
          loss_value = loss.item();
        }) == 0);
  CHECK(loss_value > 0);
}

template <class Layer>
Variable outputs_of(const Layer& layer, const Variable& x) {
  return layer(x).outputs;
}

template <class Cell>
Variable outputs_of_cell(const Cell& cell, const Variable& x) {
  return nn::unroll(cell, x).outputs;
}

}  // namespace

TEST_CASE("a warm step of a layer asks the heap for nothing", "[heap]") {
  check_no_calls<nn::LSTM>("LSTM", outputs_of<nn::LSTM>);
  check_no_calls<nn::GRU>("GRU", outputs_of<nn::GRU>);
  check_no_calls<nn::RNN, optim::SGD>("RNN", outputs_of<nn::RNN>);
}

TEST_CASE("a warm step of a cell asks the heap for nothing", "[heap]") {
  check_no_calls<HandCell, optim::AdamW>("hand-written", outputs_of_cell<HandCell>);
  check_no_calls<nn::LSTMCell>("LSTM cell", outputs_of_cell<nn::LSTMCell>);
}

TEST_CASE("a warm step that keeps states and looks words up asks the heap for nothing", "[heap]") {
  if (!is_counted()) return;
  constexpr std::int64_t kWords = 50;
  ParameterSet parameters(1);
  const nn::Embedding embedding(parameters.scope("embedding"), kWords, kWidth);
  const nn::LSTM lstm(parameters.scope("lstm"), kWidth, kWidth);
  const nn::Linear output(parameters.scope("output"), kWidth, kWords);
  optim::SGD sgd(parameters, {.lr = 0.1});
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < kSteps * kBatch; ++i) ids.push_back(i * i % kWords);
  const Tensor words(Shape{kSteps, kBatch}, ids);
  Tape tape;
  std::vector<double> norms;
  norms.reserve(100);
  CHECK(calls_when_warm([&] {
          tape.reset();
          const auto run = lstm(embedding(tape.input(words)));
          const Variable loss = cross_entropy(output(run.outputs), tape.input(words));
          const Gradients found = gradients(loss, parameters, nn::state_variables(run.last));
          norms.push_back(found.norm());
          sgd.step(found);
          norms.push_back(run.last.back().h.value().at(0));
        }) == 0);
  CHECK(norms.front() > 0);
}

// The pool grows to the most that threads hold at the same time, and a thread has scratch memory
// once it has taken part: in which step is chance.
TEST_CASE("steps on several threads come to ask the heap for nothing", "[heap]") {
  if (!is_counted()) return;
  ParameterSet parameters(1);
  const nn::LSTM lstm(parameters.scope("lstm"), kWidth, kWidth);
  const Tensor x = random_uniform({kSteps, kBatch, kWidth}, 1, -1, 1, Dtype::float32);
  Parallel parallel({.shards = 2, .threads = 2});
  const ShardLoss loss = [&](Tape& tape, int) { return sum(square(lstm(tape.input(x)).outputs)); };
  optim::Adam adam(parameters, {.lr = 0.01});
  std::uint64_t calls = 1;
  for (int tries = 0; tries < 20 && calls > 0; ++tries) {
    calls = calls_when_warm([&] { adam.step(parallel.gradients(parameters, loss).gradients); });
  }
  CHECK(calls == 0);
}
