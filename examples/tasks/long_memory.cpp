// long_memory: what is remembered over hundreds of steps? And what do gradients do on the way back
// (Hochreiter and Schmidhuber 1997; Pascanu, Mikolov, Bengio 2013)?
//   long_memory train --task adding --cell gru --steps 600
//   long_memory train --task copy --cell lstm --steps 100
//   echo '0.5* 0.9 0.1 0.25* 0.7' | long_memory run    (adding: about 0.75)
//   long_memory evaluate --gradients     norms in untrained cells of each kind, step by step
#include <fmt/format.h>

#include <cmath>

#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/memory_network.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/clip.h>

namespace {

using namespace unroll;
using namespace unroll::tasks;

template <class Kind>
void show_gradients(const char* name, const MemoryTask& task, const Settings& s, double scale,
                    const typename Kind::Options& options = {}) {
  const MemoryNetwork network(
      task, s, [&](const Scope& scope) { return Kind(scope, task.inputs(), s.hidden, options); });
  for (float& w : network.parameters.at("cell.weight_hh").update<float>()) {
    w = static_cast<float>(w * scale);
  }
  const MemoryBatch batch = task.batch(train::shuffled_batches(16, 16, 0, 0)[0], s.seed);
  const auto norms = network.gradient_norms(batch.inputs);
  fmt::print("{:<28}", name);
  for (const double part : {0.0, 0.25, 0.5, 0.75, 0.9, 1.0}) {
    const double at = part * static_cast<double>(norms.size() - 1);
    fmt::print("  {:9.2e}", norms[static_cast<std::size_t>(at)]);
  }
  Tape tape;
  Gradients gradients = unroll::gradients(network.loss(tape, batch), network.parameters);
  const double before = optim::clip_norm(gradients, 1.0);
  fmt::print("   {:9.2e} -> {:.2e}\n", before, gradients.norm());
}

void show_all_gradients(const MemoryTask& task, const Settings& s) {
  fmt::print(
      "norm of d(last output)/d(output of the step at), {} steps, untrained; and of all\n"
      "gradients of the task's loss, before -> after clipping to 1\n",
      task.steps);
  fmt::print("{:<28}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}\n", "", "first", "1/4", "1/2", "3/4",
             "9/10", "last");
  show_gradients<nn::RNNCell>("RNN", task, s, 1);
  show_gradients<nn::RNNCell>("RNN, weights times 3", task, s, 3);
  show_gradients<nn::RNNCell>("RNN of relu, weights times 2", task, s, 2,
                              {.activation = nn::RNNActivation::relu});
  show_gradients<nn::GRUCell>("GRU", task, s, 1);
  show_gradients<nn::LSTMCell>("LSTM", task, s, 1);
  show_gradients<nn::LSTMCell>("LSTM, forget gates open", task, s, 1,
                               {.forget_bias = std::log(static_cast<double>(task.steps))});
}

void print_error(const MemoryNetwork& network, const Settings& s) {
  const MemoryTask& task = network.task;
  const std::string simplest =
      task.is_adding() ? "always 1: 0.167"
                       : fmt::format("guessing: {:.3f}", std::log(MemoryTask::kSymbols));
  fmt::print("test: {}, {} steps: error on new sequences {:.6f} ({})\n", task.name, task.steps,
             network.error(s.threads), simplest);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings{
      .name = "long_memory", .epochs = 20, .learning_rate = 4e-3, .weight_decay = 0, .hidden = 64};
  MemoryTask task;
  std::string kind = "gru";
  bool gradients_only = false;
  const auto train = [&] {
    task.check();
    const MemoryNetwork network(task, settings, kind);
    // Every step sees new sequences: the examples are their numbers.
    const auto batches = [&](int epoch) {
      constexpr std::size_t kStepsPerEpoch = 100;
      train::Batches all(kStepsPerEpoch);
      std::size_t number = static_cast<std::size_t>(epoch) * kStepsPerEpoch * settings.batch;
      for (auto& batch : all) {
        for (std::size_t i = 0; i < settings.batch; ++i) batch.push_back(number++);
      }
      return all;
    };
    const auto loss = [&](Tape& tape, train::Examples numbers) {
      return network.loss(tape, task.batch(numbers, settings.seed), settings.dropout) *
             static_cast<double>(numbers.size());
    };
    const auto validate = [&] {
      const double error = network.error(settings.threads);
      return train::Score{error, fmt::format("error on new sequences {:.6f}", error)};
    };
    train_model(settings, network.parameters,
                {.batches = batches, .loss = loss, .validate = validate},
                network.metadata(settings, kind));
    print_error(network, settings);
  };
  const auto evaluate = [&] {
    if (gradients_only) {
      task.check();
      show_all_gradients(task, settings);
    } else {
      print_error(MemoryNetwork::load(settings), settings);
    }
  };
  const auto run = [&] {
    const MemoryNetwork network = MemoryNetwork::load(settings);
    answer_lines("a sequence", [&](const std::string& line) {
      Tape tape({.training = false});
      const Variable found = network(tape.input(network.task.of_line(line).inputs));
      if (network.task.is_adding()) return fmt::format("{:.3f}", found.item());
      const Tensor symbols = argmax(found, -1).value();
      return fmt::format("{}", fmt::join(symbols.data<std::int32_t>(), " "));
    });
  };
  const Option which{"--task", "adding or copy", &task.name};
  const Option steps{"--steps", "the length of a sequence, or of the pause", &task.steps, 2};
  return run_program(
      {.what = "Tasks that need a long memory, and the gradients on the way back.",
       .settings = settings,
       .files = Files::none,
       .train = {train, {which, steps, {"--cell", "rnn, gru or lstm", &kind}}},
       .evaluate = {evaluate,
                    {{"--gradients", "norms of gradients in untrained cells, for a task",
                      &gradients_only},
                     which,
                     steps}},
       .run = {run}},
      argc, argv);
}
