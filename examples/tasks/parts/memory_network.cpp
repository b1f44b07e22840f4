// The network of the program `long_memory`.
#include <unroll/examples/tasks/parts/memory_network.h>

#include <cmath>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/ops/ops.h>

namespace unroll::tasks {

namespace {

MemoryNetwork::Cell cell_of(const std::string& name, const Scope& scope, const MemoryTask& task,
                            std::int64_t hidden) {
  if (name == "rnn") return nn::RNNCell(scope, task.inputs(), hidden);
  if (name == "gru") return nn::GRUCell(scope, task.inputs(), hidden);
  if (name != "lstm") throw ValueError("got the cell " + name + "; expected rnn, gru or lstm");
  return nn::LSTMCell(scope, task.inputs(), hidden,
                      {.forget_bias = std::log(static_cast<double>(task.steps))});
}

}  // namespace

MemoryNetwork::MemoryNetwork(const MemoryTask& which, const Settings& s,
                             const std::function<Cell(const Scope& scope)>& make_cell)
    : task(which),
      parameters(s.seed),
      cell(make_cell(parameters.scope("cell"))),
      output(parameters.scope("output"), s.hidden, task.outputs()) {}

MemoryNetwork::MemoryNetwork(const MemoryTask& which, const Settings& s,
                             const std::string& cell_name)
    : MemoryNetwork(which, s, [&](const Scope& scope) {
        return cell_of(cell_name, scope, which, s.hidden);
      }) {}

MemoryNetwork MemoryNetwork::load(const Settings& s) {
  const ModelFile file(s.model);
  const MemoryTask task{file.text("task"), file.number("steps")};
  task.check();
  MemoryNetwork network(task, file.with_sizes(s), file.text("cell"));
  file.assign_to(network.parameters);
  return network;
}

std::map<std::string, std::string> MemoryNetwork::metadata(const Settings& s,
                                                           const std::string& cell_name) const {
  auto entries = sizes_of(s);
  entries["task"] = task.name;
  entries["steps"] = std::to_string(task.steps);
  entries["cell"] = cell_name;
  return entries;
}

Variable MemoryNetwork::operator()(const Variable& inputs, double dropout_rate) const {
  const auto [outputs, last] = std::visit(
      [&](const auto& any) {
        const auto walked = nn::unroll(any, inputs);
        return std::pair(walked.outputs, nn::output_of(walked.last));
      },
      cell);
  if (task.is_adding()) return reshape(output(dropout(last, dropout_rate)), {last.shape()[0]});
  const std::int64_t steps = outputs.shape()[0];
  return output(dropout(slice(outputs, 0, steps - MemoryTask::kCopied, steps), dropout_rate));
}

Variable MemoryNetwork::loss(Tape& tape, const MemoryBatch& batch, double dropout_rate) const {
  const Variable found = (*this)(tape.input(batch.inputs), dropout_rate);
  const Variable targets = tape.input(batch.targets);
  return task.is_adding() ? mse_loss(found, targets) : cross_entropy(found, targets);
}

double MemoryNetwork::error(int threads) const {
  constexpr std::uint64_t kSeed = 77;
  const auto batches = train::shuffled_batches(1024, 128, 0, 0);
  const auto losses = train::map_batches(
      batches,
      [&](Tape& tape, train::Examples numbers) {
        return loss(tape, task.batch(numbers, kSeed)).item();
      },
      threads);
  double sum = 0;
  for (const double part : losses) sum += part / static_cast<double>(losses.size());
  return sum;
}

std::vector<double> MemoryNetwork::gradient_norms(const Tensor& inputs) const {
  Tape tape;
  const auto outputs = std::visit(
      [&](const auto& any) { return nn::unroll_steps(any, tape.input(inputs)).outputs; }, cell);
  std::vector<double> norms;
  for (const Variable& gradient : gradients(sum(outputs.back()), outputs)) {
    norms.push_back(norm(gradient).item());
  }
  return norms;
}

}  // namespace unroll::tasks
