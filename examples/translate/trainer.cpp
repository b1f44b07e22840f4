// Trainer: the loop.
#include <unroll/examples/translate/trainer.h>

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numbers>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/clip.h>
#include <unroll/text/batches.h>
#include <unroll/train/interrupt.h>
#include <unroll/train/progress.h>

namespace unroll::translate {

namespace {

using Positions = std::vector<std::size_t>;

std::vector<text::ExampleLength> lengths_of(const std::vector<Example>& examples) {
  std::vector<text::ExampleLength> lengths;
  for (const Example& example : examples) {
    // The decoder reads or writes one more token than the sentence has: <bos> or <eos>.
    lengths.push_back({static_cast<std::int32_t>(example.source.size()),
                       static_cast<std::int32_t>(example.target.size() + 1)});
  }
  return lengths;
}

/// Part `shard` of `count` of a batch, as examples.
std::vector<const Example*> shard_of(const std::vector<Example>& examples, const Positions& batch,
                                     int shard, int count) {
  const std::size_t n = batch.size(), parts = static_cast<std::size_t>(count);
  const std::size_t k = static_cast<std::size_t>(shard);
  std::vector<const Example*> result;
  for (std::size_t i = n * k / parts; i < n * (k + 1) / parts; ++i) {
    result.push_back(&examples[batch[i]]);
  }
  return result;
}

std::int64_t target_tokens(const std::vector<Example>& examples, const Positions& batch) {
  std::int64_t total = 0;
  for (const std::size_t i : batch) {
    total += static_cast<std::int64_t>(examples[i].target.size()) + 1;
  }
  return total;
}

/// Linear warm-up, then half a cosine down to a twentieth; `fraction` of the work is done.
double learning_rate(const TrainerOptions& options, std::int64_t step, double fraction) {
  const double warm =
      options.warmup_steps > 0
          ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps))
          : 1.0;
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, fraction)));
  return options.learning_rate * warm * (0.05 + 0.95 * cosine);
}

class Trainer {
 public:
  Trainer(Translator& translator, const std::vector<Example>& training,
          const std::vector<Example>& validation, const TrainerOptions& options, std::string path)
      : translator_(translator),
        training_(training),
        validation_(validation),
        options_(options),
        path_(std::move(path)),
        parallel_(
            {.shards = options.shards, .threads = options.threads, .tape = {.bf16 = options.bf16}}),
        evaluation_(
            {.shards = options.shards, .threads = options.threads, .tape = {.training = false}}),
        adam_(translator.parameters(), {.lr = options.learning_rate, .betas = {0.9, 0.98}}) {}

  TrainingSummary run() {
    const std::vector<text::ExampleLength> lengths = lengths_of(training_);
    for (int epoch = 0; epoch < options_.epochs && (epoch == 0 || !finished()); ++epoch) {
      const auto batches =
          text::make_batches(lengths, {.max_tokens = options_.batch_tokens, .seed = options_.seed},
                             static_cast<std::uint64_t>(epoch));
      double loss = 0;
      std::int64_t tokens = 0;
      for (std::size_t b = 0; b < batches.size() && !finished(); ++b) {
        fraction_ =
            fraction_done(epoch, static_cast<double>(b) / static_cast<double>(batches.size()));
        const std::int64_t count = target_tokens(training_, batches[b]);
        loss += step(batches[b], count) * static_cast<double>(count);
        tokens += count;
        show(epoch, loss / static_cast<double>(tokens));
      }
      progress_.finish();
      summary_.epochs = epoch + 1;
      validate(epoch, loss / static_cast<double>(std::max<std::int64_t>(tokens, 1)));
      if (epoch + 1 - summary_.best_epoch >= options_.patience) break;
    }
    translator_.assign(best_);
    summary_.seconds = progress_.seconds();
    summary_.interrupted = interrupt_.requested();
    return summary_;
  }

 private:
  bool finished() const {
    return interrupt_.requested() ||
           (options_.minutes > 0 && progress_.seconds() >= 60 * options_.minutes);
  }

  double fraction_done(int epoch, double within) const {
    const double by_epochs = (epoch + within) / options_.epochs;
    const double by_time = options_.minutes > 0 ? progress_.seconds() / (60 * options_.minutes) : 0;
    return std::max(by_epochs, by_time);
  }

  /// One update; returns the training loss per target token.
  double step(const Positions& batch, std::int64_t count) {
    const std::uint64_t seed = mix(options_.seed, static_cast<std::uint64_t>(summary_.steps));
    LossAndGradients result = parallel_.gradients(
        translator_.parameters(),
        [&](Tape& tape, int shard) {
          const auto examples = shard_of(training_, batch, shard, options_.shards);
          if (examples.empty()) return Variable();
          return translator_.loss(tape, examples, options_.label_smoothing) *
                 (1.0 / static_cast<double>(count));
        },
        seed);
    if (options_.clip_norm > 0) optim::clip_norm(result.gradients, options_.clip_norm);
    adam_.set_lr(learning_rate(options_, summary_.steps, fraction_));
    adam_.step(result.gradients);
    ++summary_.steps;
    tokens_seen_ += count;
    return result.loss;
  }

  void show(int epoch, double loss) {
    if (options_.quiet) return;
    const double speed = static_cast<double>(tokens_seen_) / progress_.seconds();
    progress_.update(fraction_,
                     fmt::format("epoch {}  loss {:.3f}  {:.0f} tokens/s", epoch + 1, loss, speed));
  }

  double validation_loss() {
    const auto batches = text::make_batches(lengths_of(validation_),
                                            {.max_tokens = options_.batch_tokens, .seed = 0}, 0);
    double loss = 0;
    std::int64_t tokens = 0;
    std::vector<double> parts(static_cast<std::size_t>(options_.shards));
    for (const Positions& batch : batches) {
      std::ranges::fill(parts, 0.0);
      evaluation_.run([&](Tape& tape, int shard) {
        const auto examples = shard_of(validation_, batch, shard, options_.shards);
        if (examples.empty()) return;
        const auto constant = tape.no_gradient();
        const Variable total = translator_.loss(tape, examples, 0);
        evaluate({total});
        parts[static_cast<std::size_t>(shard)] = total.item();
      });
      for (const double part : parts) loss += part;
      tokens += target_tokens(validation_, batch);
    }
    return loss / static_cast<double>(tokens);
  }

  void validate(int epoch, double training_loss) {
    const double loss = validation_loss();
    if (!std::isfinite(loss)) {
      throw NumericError(
          fmt::format("train: the validation loss is {} after epoch {}", loss, epoch + 1));
    }
    const bool better = summary_.best_epoch == 0 || loss < summary_.best_loss;
    if (!options_.quiet) {
      fmt::print(stderr,
                 "epoch {:3}  training loss {:.3f}  validation loss {:.3f}, perplexity {:.2f}{}  "
                 "{}\n",
                 epoch + 1, training_loss, loss, std::exp(loss), better ? "  best, saved" : "",
                 train::clock_time(progress_.seconds()));
    }
    if (!better) return;
    summary_.best_loss = loss;
    summary_.best_epoch = epoch + 1;
    best_ = translator_.values();
    translator_.save(path_);
  }

  Translator& translator_;
  const std::vector<Example>& training_;
  const std::vector<Example>& validation_;
  TrainerOptions options_;
  std::string path_;
  Parallel parallel_;
  Parallel evaluation_;  ///< tapes without dropout
  optim::Adam adam_;
  train::Interrupt interrupt_;
  train::Progress progress_{"training"};
  TrainingSummary summary_;
  std::vector<Tensor> best_;
  double fraction_ = 0;
  std::int64_t tokens_seen_ = 0;
};

}  // namespace

void expect_writable(const std::string& path) {
  if (path.empty()) throw IoError("the model's path is empty");
  if (std::filesystem::is_directory(path)) throw IoError(path + ": is a directory");
  const auto folder = std::filesystem::absolute(path).parent_path();
  if (::access(folder.c_str(), W_OK) != 0) {
    throw IoError(fmt::format("{}: {}", folder.string(), std::strerror(errno)));
  }
}

TrainingSummary train(Translator& translator, const std::vector<Example>& training,
                      const std::vector<Example>& validation, const TrainerOptions& options,
                      const std::string& path) {
  if (training.empty() || validation.empty()) {
    throw ValueError(
        fmt::format("train: got {} training and {} validation examples; expected at "
                    "least one of each",
                    training.size(), validation.size()));
  }
  if (options.epochs < 1 || options.patience < 1 || options.batch_tokens < 1) {
    throw ValueError(fmt::format(
        "train: got {} epochs, patience {} and {} tokens per batch; expected at least 1 of each",
        options.epochs, options.patience, options.batch_tokens));
  }
  expect_writable(path);
  return Trainer(translator, training, validation, options, path).run();
}

}  // namespace unroll::translate
