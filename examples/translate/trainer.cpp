// Training a translator: what fit() is told.
#include <unroll/examples/translate/trainer.h>

#include <fmt/format.h>

#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/optim/adam.h>
#include <unroll/text/batches.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/fit.h>

namespace unroll::translate {

namespace {

constexpr std::int64_t kHeldOutBatch = 2048;  // tokens

/// The batches of an epoch: examples of similar length.
train::Batches batches_of(const std::vector<Example>& examples, std::int64_t tokens,
                          std::uint64_t seed, int epoch) {
  std::vector<text::ExampleLength> lengths;
  for (const Example& example : examples) {
    // The decoder reads or writes one more token than the sentence has: <bos> or <eos>.
    lengths.push_back({static_cast<std::int32_t>(example.source.size()),
                       static_cast<std::int32_t>(example.target.size() + 1)});
  }
  return text::make_batches(lengths, {.max_tokens = tokens, .seed = seed},
                            static_cast<std::uint64_t>(epoch));
}

std::vector<const Example*> chosen(const std::vector<Example>& examples, train::Examples which) {
  std::vector<const Example*> result;
  for (const std::size_t i : which) result.push_back(&examples[i]);
  return result;
}

double target_tokens(const std::vector<Example>& examples, train::Examples which) {
  double total = 0;
  for (const std::size_t i : which) total += static_cast<double>(examples[i].target.size() + 1);
  return total;
}

}  // namespace

double loss_of(const Translator& translator, const std::vector<Example>& examples, bool own_tokens,
               int threads) {
  if (examples.empty()) throw ValueError("loss_of: got no examples; expected at least one");
  const train::Batches batches = batches_of(examples, kHeldOutBatch, 0, 0);
  const TargetOptions options{.own_tokens = own_tokens ? 1.0 : 0.0, .in_evaluation = own_tokens};
  double loss = 0, tokens = 0;
  for (const double part : train::map_batches(
           batches,
           [&](Tape&tape, train::Examples which) {
             return translator.loss(tape, chosen(examples, which), options).item();
           },
           threads)) {
    loss += part;
  }
  for (const auto& batch : batches) tokens += target_tokens(examples, batch);
  return loss / tokens;
}

train::FitSummary train(Translator& translator, const std::vector<Example>& training,
                        const std::vector<Example>& validation, const TrainerOptions& options,
                        const std::string& path) {
  if (training.empty() || validation.empty()) {
    throw ValueError(
        fmt::format("train: got {} training and {} validation examples; expected at "
                    "least one of each",
                    training.size(), validation.size()));
  }
  if (options.epochs < 1 || options.patience < 0 || options.batch_tokens < 1) {
    throw ValueError(fmt::format(
        "train: got {} epochs, patience {} and {} tokens per batch; expected at least 1, 0 and 1",
        options.epochs, options.patience, options.batch_tokens));
  }
  train::expect_writable(path);
  optim::AdamW adam(
      translator.parameters(),
      {.lr = options.learning_rate, .betas = {0.9, 0.98}, .weight_decay = options.weight_decay});
  const train::Task task{
      .batches =
          [&](int epoch) {
            return batches_of(training, options.batch_tokens, options.seed, epoch);
          },
      .loss =
          [&](Tape& tape, train::Examples which) {
            return translator.loss(
                tape, chosen(training, which),
                {.label_smoothing = options.label_smoothing, .own_tokens = options.own_tokens});
          },
      .weight = [&](train::Examples which) { return target_tokens(training, which); },
      .validate =
          [&] {
            const double loss = loss_of(translator, validation, false, options.threads);
            return train::Score{loss, fmt::format("validation loss {:.3f}, perplexity {:.2f}", loss,
                                                  std::exp(loss))};
          }};
  return train::fit(
      translator.parameters(), adam, task,
      {.epochs = options.epochs,
       .minutes = options.minutes,
       .clip_norm = options.clip_norm,
       .learning_rate = train::cosine_rate(options.learning_rate, 0.05, options.warmup_steps),
       .patience = options.patience,
       .parallel = {.shards = options.shards,
                    .threads = options.threads,
                    .tape = {.bf16 = options.bf16}},
       .seed = options.seed,
       .improved = [&] { translator.save(path); },
       .snapshot = options.snapshot,
       .name = options.name,
       .quiet = options.quiet});
}

}  // namespace unroll::translate
