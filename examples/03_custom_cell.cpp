// Lesson 3: a recurrent cell of your own.
//
// You write one step. nn::unroll walks it over batches of sequences; gradients come by themselves.
#include <cstdio>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

/// A cell with one gate: the gate f says how much of the state is replaced by the candidate.
///
///   f  = sigmoid(W_f [x, h] + b_f)
///   c  = tanh(W_c [x, f h] + b_c)
///   h' = h + f (c - h)
struct MinimalGatedCell {
  nn::Linear gate, candidate;
  std::int64_t width;

  // Layers register their parameters in a Scope, here "gate.weight" and so on.
  MinimalGatedCell(const Scope& scope, std::int64_t input, std::int64_t hidden)
      : gate(scope / "gate", input + hidden, hidden),
        candidate(scope / "candidate", input + hidden, hidden),
        width(hidden) {}

  // The state before the first step: zeros, [batch, width]. `like` is any Variable of the same
  // tape. A cell with more to remember returns a struct of Variables instead.
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch, width});
  }

  // One step: x is [batch, input], h is [batch, width].
  Variable step(const Variable& x, const Variable& h) const {
    const Variable f = sigmoid(gate(concat({x, h}, -1)));
    const Variable c = tanh(candidate(concat({x, f * h}, -1)));
    return h + f * (c - h);
  }
};

/// The cell, and a linear layer that makes one number of its last state.
struct Model {
  MinimalGatedCell cell;
  nn::Linear head;

  Model(const Scope& scope, std::int64_t width)
      : cell(scope / "cell", 2, width), head(scope / "head", width, 1) {}

  // [time, batch, 2] -> [batch, 1]. `last` is the state after the last step of each sequence.
  Variable operator()(const Variable& sequences, const nn::Lengths& lengths) const {
    return head(nn::unroll(cell, sequences, {.lengths = lengths}).last);
  }
};

/// The adding problem (Hochreiter and Schmidhuber 1997): each step has a number in [0, 1) and a
/// mark. Two steps are marked; the answer is the sum of their numbers.
struct Batch {
  Tensor sequences;  ///< [time, batch, 2]
  std::vector<std::int32_t> lengths;
  Tensor answers;  ///< [batch, 1]
};

Batch make_batch(Random& random, int time, int size) {
  Tensor sequences({time, size, 2}, Dtype::float64), answers({size, 1}, Dtype::float64);
  auto x = sequences.mutable_data<double>(), y = answers.mutable_data<double>();
  std::vector<std::int32_t> lengths;
  for (int b = 0; b < size; ++b) {
    const int length = time / 2 + static_cast<int>(random.below(time / 2 + 1));
    const int first = static_cast<int>(random.below(length / 2));
    const int second = length / 2 + static_cast<int>(random.below(length - length / 2));
    for (int t = 0; t < length; ++t) {
      const std::size_t at = static_cast<std::size_t>(t * size + b) * 2;
      x[at] = random.uniform();
      if (t != first && t != second) continue;
      x[at + 1] = 1;
      y[b] += x[at];
    }
    lengths.push_back(length);
  }
  return {sequences, lengths, answers};
}

}  // namespace

int main() {
  ParameterSet parameters(/*seed=*/1);
  const Model model(parameters.scope(), 24);
  Random random(2);

  const auto loss_on = [&](Tape& tape, const Batch& batch) {
    const Variable x = tape.input(batch.sequences.to(parameters.dtype()));
    const Variable y = tape.input(batch.answers.to(parameters.dtype()));
    return mse_loss(model(x, batch.lengths), y);
  };

  // First the check: the gradient by every parameter, through all steps, against differences.
  parameters.to(Dtype::float64);
  const Batch tiny = make_batch(random, 5, 3);
  const auto report = gradcheck(parameters, [&](Tape& tape) { return loss_on(tape, tiny); });
  std::printf("gradient check: %s\n", report ? "passed" : report.message.c_str());
  parameters.to(Dtype::float32);

  // Then the training. The tape is reset at every step and keeps its memory.
  optim::Adam adam(parameters, {.lr = 0.01});
  Tape tape;
  double error = 0;
  for (int step = 1; step <= 800; ++step) {
    tape.reset();
    const Variable loss = loss_on(tape, make_batch(random, 12, 64));
    Gradients grads = gradients(loss, parameters);
    optim::clip_norm(grads, 1.0);
    adam.step(grads);
    error = loss.item();
    if (step == 1 || step % 200 == 0) std::printf("step %3d: squared error %.5f\n", step, error);
  }

  // Always answering with the mean, 1, has an error of 1/6.
  return report && error < 0.005 ? 0 : 1;
}
