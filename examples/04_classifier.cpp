// Lesson 4: a classifier of sequences: many steps in, one answer out.
//
// Four rules make rows of digits; a net has to tell from a row which rule made it. On the way:
// embeddings, a GRU over sequences of different lengths, training on several threads, and an honest
// test on rows that were not trained on.
#include <algorithm>
#include <cstdio>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

constexpr int kRules = 4, kDigits = 10, kLongest = 16, kRows = 64, kShards = 4;

/// A padded batch of rows.
struct Batch {
  Tensor digits;  ///< int32 [time, batch]
  std::vector<std::int32_t> lengths;
  Tensor rules;  ///< int32 [batch]
};

/// Rows of 6 to 16 digits. Rule 0 counts up by one, rule 1 counts down, rule 2 goes up and down in
/// turn by one, and rule 3 draws at random. After 9 comes 0. One digit in ten is a misprint.
Batch make_batch(Random& random, int size) {
  Tensor digits(Shape{kLongest, size}, Dtype::int32), rules(Shape{size}, Dtype::int32);
  const auto digit = digits.mutable_data<std::int32_t>();
  const auto rule = rules.mutable_data<std::int32_t>();
  std::vector<std::int32_t> lengths;
  for (int b = 0; b < size; ++b) {
    rule[b] = static_cast<std::int32_t>(random.below(kRules));
    lengths.push_back(6 + static_cast<std::int32_t>(random.below(kLongest - 5)));
    auto value = static_cast<std::int32_t>(random.below(kDigits));
    for (int t = 0; t < lengths.back(); ++t) {
      const bool misprint = rule[b] == 3 || random.below(10) == 0;
      digit[t * size + b] = misprint ? static_cast<std::int32_t>(random.below(kDigits)) : value;
      const bool up = rule[b] == 0 || (rule[b] == 2 && t % 2 == 0);
      value = (value + (up ? 1 : kDigits - 1)) % kDigits;
    }
  }
  return {digits, lengths, rules};
}

/// Digits -> vectors -> GRU -> the last state -> one score per rule.
struct Classifier {
  nn::Embedding embedding;
  nn::GRU gru;
  nn::Linear scores;

  explicit Classifier(const Scope& scope)
      : embedding(scope / "embedding", kDigits, 16),
        gru(scope / "gru", 16, 32),
        scores(scope / "scores", 32, kRules) {}

  /// [batch, kRules]. The last state of a row is the one after its own last digit, for the padding
  /// behind it changes nothing.
  Variable operator()(Tape& tape, const Batch& batch) const {
    const Variable vectors = embedding(tape.input(batch.digits));
    return scores(gru(vectors, {.lengths = batch.lengths}).last.back());
  }
};

/// How many rows of the batch get the right rule.
int count_right(const Classifier& model, const Batch& batch) {
  Tape tape({.training = false});
  const auto no_gradient = tape.no_gradient();
  const Tensor guesses = argmax(model(tape, batch), -1).value();
  const auto guess = guesses.data<std::int32_t>(), rule = batch.rules.data<std::int32_t>();
  int right = 0;
  for (std::size_t b = 0; b < guess.size(); ++b) right += guess[b] == rule[b] ? 1 : 0;
  return right;
}

}  // namespace

int main() {
  ParameterSet parameters(/*seed=*/1);
  const Classifier model(parameters.scope());
  std::printf("%zu parameters with %lld numbers\n", parameters.size(),
              static_cast<long long>(parameters.elements()));

  // Every step learns from kShards small batches. Each has a tape of its own, so they can run on
  // different threads; their gradients are added in a fixed order. With one thread or eight, the
  // result is the same to the last bit.
  Parallel parallel({.shards = kShards});
  optim::Adam adam(parameters, {.lr = 0.01});
  Random random(2);
  for (int step = 1; step <= 300; ++step) {
    std::vector<Batch> batches(kShards);
    for (Batch& batch : batches) batch = make_batch(random, kRows);

    auto [loss, grads] = parallel.gradients(parameters, [&](Tape& tape, int shard) {
      const Batch& batch = batches[static_cast<std::size_t>(shard)];
      // Divided by the number of shards, so that the sum over shards is a mean over all rows.
      return cross_entropy(model(tape, batch), tape.input(batch.rules)) / kShards;
    });
    optim::clip_norm(grads, 1.0);  // one bad batch must not throw the net off
    adam.step(grads);
    if (step == 1 || step % 50 == 0) std::printf("step %3d: loss %.4f\n", step, loss);
  }

  // The random numbers of this batch have not been seen above.
  const int rows = 2000;
  Random unseen(3);
  const double accuracy = count_right(model, make_batch(unseen, rows)) / static_cast<double>(rows);
  std::printf("accuracy on %d new rows: %.1f %% (guessing: 25 %%)\n", rows, 100 * accuracy);
  return accuracy > 0.95 ? 0 : 1;
}
