// long_memory: what a network remembers over hundreds of steps, and what its gradients do on the
// way back (Hochreiter and Schmidhuber 1997; Pascanu, Mikolov, Bengio 2013).
//   long_memory train --task adding --cell gru --steps 600
//   long_memory train --task copy --cell lstm --steps 100
//   long_memory evaluate        gradient norms of an untrained cell of each kind, step by step
// adding: the sum of the two marked numbers of a sequence; always answering 1 has error 0.167.
// copy: ten symbols, a long pause, then the same ten symbols from memory.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/program.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/clip.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

constexpr std::int64_t kSymbols = 8, kCopied = 10;

struct Batch {
  Tensor inputs;   ///< [T, B, 2], or one-hot [T, B, kSymbols + 2]: symbols, blank, "now repeat"
  Tensor targets;  ///< float32 [B], or int32 [kCopied, B]
};

Batch adding(Random& random, std::int64_t steps, std::int64_t batch) {
  Batch result{Tensor({steps, batch, 2}, Dtype::float32), Tensor({batch}, Dtype::float32)};
  const auto x = result.inputs.mutable_data<float>(), y = result.targets.mutable_data<float>();
  const auto at = [&](std::int64_t t, std::int64_t b) {
    return static_cast<std::size_t>((t * batch + b) * 2);
  };
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < steps; ++t) x[at(t, b)] = static_cast<float>(random.uniform());
    const auto half = static_cast<std::uint32_t>(steps / 2);
    for (const std::int64_t t :
         {std::int64_t{random.below(half)}, half + std::int64_t{random.below(half)}}) {
      x[at(t, b) + 1] = 1;
      y[static_cast<std::size_t>(b)] += x[at(t, b)];
    }
  }
  return result;
}

Batch copying(Random& random, std::int64_t pause, std::int64_t batch) {
  constexpr std::int64_t kBlank = kSymbols, kNow = kSymbols + 1, kWidth = kSymbols + 2;
  const std::int64_t steps = pause + 2 * kCopied;
  Batch result{Tensor({steps, batch, kWidth}, Dtype::float32),
               Tensor({kCopied, batch}, Dtype::int32)};
  const auto x = result.inputs.mutable_data<float>();
  const auto y = result.targets.mutable_data<std::int32_t>();
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t b = 0; b < batch; ++b) {
      std::int64_t symbol = t == pause + kCopied - 1 ? kNow : kBlank;
      if (t < kCopied) {
        symbol = random.below(kSymbols);
        y[static_cast<std::size_t>(t * batch + b)] = static_cast<std::int32_t>(symbol);
      }
      x[static_cast<std::size_t>((t * batch + b) * kWidth + symbol)] = 1;
    }
  }
  return result;
}

struct Task {
  std::string name = "adding", cell = "gru";
  std::int64_t steps = 600;
  bool is_adding() const { return name == "adding"; }
  Batch batch(std::uint64_t seed, std::int64_t size) const {
    Random random(seed);
    return is_adding() ? adding(random, steps, size) : copying(random, steps, size);
  }
};

/// One layer of a cell and a linear map of its outputs.
template <class Cell>
struct Network {
  Cell cell;
  nn::Linear output;

  Network(const Scope& scope, const Task& task, std::int64_t hidden,
          const typename Cell::Options& options)
      : cell(scope / "cell", task.is_adding() ? 2 : kSymbols + 2, hidden, options),
        output(scope / "output", hidden, task.is_adding() ? 1 : kSymbols) {}

  Variable loss(Tape& tape, const Task& task, const Batch& batch) const {
    const auto walked = nn::unroll(cell, tape.input(batch.inputs));
    const Variable targets = tape.input(batch.targets);
    if (task.is_adding()) {
      return mse_loss(reshape(output(nn::output_of(walked.last)), batch.targets.shape()), targets);
    }
    const std::int64_t steps = walked.outputs.shape()[0];
    return cross_entropy(output(slice(walked.outputs, 0, steps - kCopied, steps)), targets);
  }
};

/// The norm of the gradient of the last output, by each step's output: how much of an error at the
/// end arrives there.
template <class Cell>
std::vector<double> gradient_norms(const Cell& cell, const Tensor& inputs) {
  Tape tape;
  const auto walked = nn::unroll_steps(cell, tape.input(inputs));
  const Variable loss = sum(walked.outputs.back());
  std::vector<double> norms;
  for (const Variable& gradient : gradients(loss, walked.outputs)) {
    norms.push_back(norm(gradient).item());
  }
  return norms;
}

template <class Cell>
void show_gradients(const char* name, const Task& task, const Settings& s, double scale,
                    const typename Cell::Options& options = {}) {
  ParameterSet parameters(s.seed);
  const Network<Cell> network(parameters.scope(), task, s.hidden, options);
  const Parameter& recurrent = parameters.at("cell.weight_hh");
  for (float& w : recurrent.update<float>()) w = static_cast<float>(w * scale);
  const Batch batch = task.batch(s.seed, 16);
  const auto norms = gradient_norms(network.cell, batch.inputs);
  fmt::print("{:<28}", name);
  for (const double part : {0.0, 0.25, 0.5, 0.75, 0.9, 1.0}) {
    fmt::print("  {:9.2e}",
               norms[static_cast<std::size_t>(part * static_cast<double>(norms.size() - 1))]);
  }
  Tape tape;
  Gradients gradients = unroll::gradients(network.loss(tape, task, batch), parameters);
  const double before = optim::clip_norm(gradients, 1.0);
  fmt::print("   {:9.2e} -> {:.2e}\n", before, gradients.norm());
}

template <class Cell>
void train_cell(const Task& task, const Settings& s, const typename Cell::Options& options) {
  ParameterSet parameters(s.seed);
  const Network<Cell> network(parameters.scope(), task, s.hidden, options);
  const auto size = static_cast<std::int64_t>(s.batch);
  constexpr std::size_t kStepsPerEpoch = 100;
  const auto error = [&] {
    double sum = 0;
    std::vector<double> parts(8);
    train::for_each_batch(
        train::shuffled_batches(parts.size(), 1, 0, 0),
        [&](Tape& tape, train::Examples examples) {
          const Batch batch = task.batch(mix(77, examples[0]), 128);
          parts[examples[0]] = network.loss(tape, task, batch).item();
        },
        s.threads);
    for (const double part : parts) sum += part / static_cast<double>(parts.size());
    return sum;
  };
  // Every step sees new sequences: its examples are their seeds.
  train_model(
      s, parameters,
      {.batches =
           [&](int epoch) {
             train::Batches batches(kStepsPerEpoch);
             for (std::size_t k = 0; k < kStepsPerEpoch; ++k) {
               for (int shard = 0; shard < s.shards; ++shard) {
                 batches[k].push_back((static_cast<std::size_t>(epoch) * kStepsPerEpoch + k) * 64 +
                                      static_cast<std::size_t>(shard));
               }
             }
             return batches;
           },
       .loss =
           [&](Tape& tape, train::Examples part) {
             return network.loss(tape, task, task.batch(mix(s.seed, part[0]), size / s.shards));
           },
       .validate =
           [&] {
             const double e = error();
             return train::Score{e, fmt::format("error on new sequences {:.6f}", e)};
           }},
      {});
  fmt::print("{} {} {}: error on new sequences {:.6f}{}\n", task.name, task.cell, task.steps,
             error(),
             task.is_adding() ? " (always 1: 0.167)"
                              : fmt::format(" (guessing: {:.3f})", std::log(kSymbols)));
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{.model = "long_memory.safetensors",
                    .epochs = 40,
                    .batch = 64,
                    .learning_rate = 4e-3,
                    .weight_decay = 0,
                    .hidden = 64,
                    .shards = 4};
  Task task;
  const auto train = [&] {
    if (task.name != "adding" && task.name != "copy")
      throw ValueError("--task: got " + task.name + "; expected adding or copy");
    // Forget gates that are open at first, for the length of the task (Tallec and Ollivier 2018).
    const double remember = std::log(static_cast<double>(task.steps));
    if (task.cell == "lstm")
      return train_cell<nn::LSTMCell>(task, settings, {.forget_bias = remember});
    if (task.cell == "gru") return train_cell<nn::GRUCell>(task, settings, {});
    if (task.cell == "rnn") return train_cell<nn::RNNCell>(task, settings, {});
    throw ValueError("--cell: got " + task.cell + "; expected rnn, gru or lstm");
  };
  const auto evaluate_gradients = [&] {
    fmt::print(
        "norm of d(last output)/d(output of the step at), {} steps, untrained; and of all\n"
        "gradients of the task's loss, before -> after clipping to 1\n",
        task.steps);
    fmt::print("{:<28}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}\n", "", "first", "1/4", "1/2",
               "3/4", "9/10", "last");
    show_gradients<nn::RNNCell>("RNN", task, settings, 1);
    show_gradients<nn::RNNCell>("RNN, weights times 3", task, settings, 3);
    show_gradients<nn::RNNCell>("RNN of relu, weights times 2", task, settings, 2,
                                {.activation = nn::RNNActivation::relu});
    show_gradients<nn::GRUCell>("GRU", task, settings, 1);
    show_gradients<nn::LSTMCell>("LSTM", task, settings, 1);
    show_gradients<nn::LSTMCell>("LSTM, forget gates open", task, settings, 1,
                                 {.forget_bias = std::log(static_cast<double>(task.steps))});
  };
  return run_program(
      {.name = "long_memory",
       .what = "Tasks that need a long memory, and the gradients on the way back.",
       .settings = settings,
       .options = {{"--task", "adding or copy", &task.name},
                   {"--cell", "rnn, gru or lstm", &task.cell},
                   {"--steps", "the length of a sequence, or of the pause", &task.steps}},
       .train = train,
       .evaluate = evaluate_gradients},
      argc, argv);
}
