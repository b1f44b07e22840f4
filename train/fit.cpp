// fit: the loop, its lines and its snapshots.
#include <unroll/train/fit.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <optional>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/optim/clip.h>
#include <unroll/train/atomic_file.h>
#include <unroll/train/checkpoint.h>
#include <unroll/train/interrupt.h>
#include <unroll/train/progress.h>

namespace unroll::train {

namespace {

/// Part `k` of `count` parts of a batch, of equal size but for one example.
Examples part_of(Examples batch, int k, int count) {
  const auto n = batch.size(), i = static_cast<std::size_t>(k),
             parts = static_cast<std::size_t>(count);
  const std::size_t begin = n * i / parts, end = n * (i + 1) / parts;
  return batch.subspan(begin, end - begin);
}

void check(const Task& task, const FitOptions& options) {
  if (!task.batches || (!task.loss && !task.step)) {
    throw ValueError("fit: got a task without " + std::string(task.batches ? "loss" : "batches") +
                     "; expected both");
  }
  if (options.epochs < 1 || options.patience < 0 || !(options.minutes >= 0) ||
      !(options.clip_norm >= 0) || !(options.snapshot_minutes >= 0) || options.most_skipped < 0) {
    throw ValueError(fmt::format(
        "fit: got {} epochs, patience {}, {} minutes, clip_norm {}, snapshot_minutes {}, "
        "most_skipped {}; expected at least 1 epoch, and nothing negative",
        options.epochs, options.patience, options.minutes, options.clip_norm,
        options.snapshot_minutes, options.most_skipped));
  }
}

class Fit {
 public:
  Fit(const ParameterSet& parameters, optim::Optimizer& optimizer, const Task& task,
      const FitOptions& options)
      : parameters_(parameters),
        optimizer_(optimizer),
        task_(task),
        options_(options),
        parallel_(options.parallel),
        progress_(options.name) {
    if (options.snapshot.empty()) return;
    expect_writable(options.snapshot);
    if (std::filesystem::exists(options.snapshot)) resume();
  }

  FitSummary run() {
    while (at_.epoch < options_.epochs && !over_ && !stale()) epoch();
    if (!best_.empty()) assign(parameters_, best_);
    return {.epochs = at_.epoch + (at_.batch > 0 ? 1 : 0),
            .steps = at_.steps,
            .skipped = skipped_,
            .best_epoch = at_.best_epoch,
            .best_loss = at_.best_loss,
            .last_loss = last_loss_,
            .seconds = seconds(),
            .interrupted = interrupt_.requested(),
            .snapshot_fault = snapshot_fault_};
  }

 private:
  void epoch() {
    const Batches batches = task_.batches(at_.epoch);
    if (batches.empty()) throw ValueError("fit: the task gave no batches; expected at least one");
    if (at_.batch == 0) at_.loss_sum = at_.weight_sum = 0;
    if (carried_) task_.set_carried(*std::exchange(carried_, std::nullopt));
    const auto count = static_cast<std::int64_t>(batches.size());
    if (at_.batch > 0 && at_.batch >= count) {
      throw ValueError(fmt::format(
          "fit: {} goes on at batch {} of an epoch; the task's has {}; expected the same data",
          options_.snapshot, at_.batch, count));
    }
    while (at_.batch < count && !over_) {
      const double within = static_cast<double>(at_.batch) / static_cast<double>(count);
      step(batches[static_cast<std::size_t>(at_.batch)], moment(within));
      ++at_.batch;
      over_ =
          interrupt_.requested() || (options_.minutes > 0 && seconds() >= 60 * options_.minutes);
      if (snapshot_due() && at_.batch < count && !over_) save();
    }
    if (at_.weight_sum > 0) last_loss_ = at_.loss_sum / at_.weight_sum;
    progress_.finish();
    if (at_.batch < count) {  // cut off: what counts is gone on from here, not from a score
      save();
      score(at_.epoch + 1);
      return;
    }
    ++at_.epoch;
    at_.batch = 0;
    score(at_.epoch);
    save();
  }

  Moment moment(double within) const {
    const double epoch = at_.epoch + within;
    const double by_time = options_.minutes > 0 ? seconds() / (60 * options_.minutes) : 0;
    return {at_.steps, epoch, std::min(1.0, std::max(epoch / options_.epochs, by_time))};
  }

  void step(Examples batch, const Moment& now) {
    if (batch.empty()) throw ValueError("fit: got an empty batch; expected examples");
    const double weight = task_.weight ? task_.weight(batch) : static_cast<double>(batch.size());
    const std::uint64_t seed = mix(options_.seed, static_cast<std::uint64_t>(at_.steps));
    const bool may_go_back = options_.non_finite == NonFinite::skip && task_.carried;
    const auto carried = may_go_back ? task_.carried() : std::map<std::string, Tensor>();
    LossAndGradients result =
        task_.step ? task_.step(parallel_, batch, seed) : summed(batch, 1 / weight, seed);
    if (!is_made(result, now)) {
      if (may_go_back && task_.set_carried) task_.set_carried(carried);
      return;
    }
    ++at_.steps;
    at_.loss_sum += result.loss * weight;
    at_.weight_sum += weight;
    weight_here_ += weight;
    if (!options_.quiet) {
      progress_.update(now.fraction, fmt::format("epoch {}  loss {:.4f}  {:.0f}/s", at_.epoch + 1,
                                                 at_.loss_sum / at_.weight_sum,
                                                 weight_here_ / progress_.seconds()));
    }
  }

  /// Makes the step; false if it is to be skipped.
  bool is_made(LossAndGradients& result, const Moment& now) {
    const double rate = optimizer_.lr();
    try {
      if (!std::isfinite(result.loss)) {
        throw NumericError(fmt::format("the loss is {}; expected a finite number", result.loss));
      }
      if (options_.clip_norm > 0) optim::clip_norm(result.gradients, options_.clip_norm);
      if (options_.learning_rate) optimizer_.set_lr(options_.learning_rate(now));
      optimizer_.step(result.gradients);
      skipped_in_a_row_ = 0;
      return true;
    } catch (const NumericError& error) {
      optimizer_.set_lr(rate);
      ++skipped_;
      if (options_.non_finite == NonFinite::skip && ++skipped_in_a_row_ <= options_.most_skipped) {
        return false;
      }
      std::string origin;
      try {
        origin = parallel_.find_non_finite(parameters_);
      } catch (const Error&) {  // too large, say: what is known without it is enough
      }
      throw NumericError(fmt::format("fit: step {} of {}: {}{}{}", at_.steps + 1, options_.name,
                                     error.what(), origin.empty() ? "" : "; it began at ", origin));
    }
  }

  LossAndGradients summed(Examples batch, double factor, std::uint64_t seed) {
    const int shards = parallel_.shards();
    return parallel_.gradients(
        parameters_,
        [&](Tape& tape, int shard) {
          const Examples examples = part_of(batch, shard, shards);
          if (examples.empty()) return Variable();
          const Variable loss = task_.loss(tape, examples);
          return loss.defined() ? loss * factor : loss;
        },
        seed);
  }

  void score(int epoch) {
    std::string line =
        fmt::format("{}: epoch {:3}  training loss {:.4f}", options_.name, epoch, last_loss_);
    if (task_.validate) {
      const Score score = task_.validate();
      if (!std::isfinite(score.loss)) {
        throw NumericError(
            fmt::format("fit: the score of {} is {} after epoch {}; expected a "
                        "finite number",
                        options_.name, score.loss, epoch));
      }
      const bool better = at_.best_epoch == 0 || score.loss < at_.best_loss;
      line += fmt::format("  {}{}", score.shown, better ? "  best" : "");
      if (better) {
        at_.best_loss = score.loss;
        at_.best_epoch = epoch;
        best_ = values_of(parameters_);
        if (options_.improved) options_.improved();
      }
    } else if (options_.improved) {
      options_.improved();
    }
    if (!options_.quiet) fmt::print(stderr, "{}  {}\n", line, clock_time(seconds()));
  }

  bool stale() const {
    return options_.patience > 0 && at_.best_epoch > 0 &&
           at_.epoch - at_.best_epoch >= options_.patience;
  }

  bool snapshot_due() const {
    return options_.snapshot_minutes > 0 &&
           progress_.seconds() - saved_at_ >= 60 * options_.snapshot_minutes;
  }

  void save() {
    if (options_.snapshot.empty()) return;
    Snapshot snapshot{.parameters = values_of(parameters_),
                      .best = best_,
                      .optimizer = optimizer_.state(),
                      .carried = task_.carried ? task_.carried() : std::map<std::string, Tensor>(),
                      .position = at_,
                      .learning_rate = optimizer_.lr(),
                      .task = options_.name};
    snapshot.position.seconds = seconds();
    saved_at_ = progress_.seconds();
    snapshot_fault_.clear();
    try {
      save_snapshot(options_.snapshot, snapshot);
    } catch (const IoError& fault) {
      snapshot_fault_ = fault.what();
      progress_.finish();
      if (!options_.quiet) fmt::print(stderr, "{}: {}\n", options_.name, snapshot_fault_);
    }
  }

  void resume() {
    const Snapshot snapshot = load_snapshot(options_.snapshot);
    if (snapshot.task != options_.name) {
      throw ValueError(fmt::format("fit: {} is a snapshot of \"{}\"; expected one of \"{}\"",
                                   options_.snapshot, snapshot.task, options_.name));
    }
    const auto before = values_of(parameters_);
    try {
      if (!snapshot.best.empty()) assign(parameters_, snapshot.best);  // to see that they fit
      assign(parameters_, snapshot.parameters);
      optimizer_.load_state(snapshot.optimizer);
    } catch (...) {
      assign(parameters_, before);
      throw;
    }
    optimizer_.set_lr(snapshot.learning_rate);
    best_ = snapshot.best;
    at_ = snapshot.position;
    before_ = at_.seconds;
    if (task_.set_carried) carried_ = snapshot.carried;
    if (!options_.quiet) {
      fmt::print(stderr, "{}: goes on from {}, epoch {}, step {}\n", options_.name,
                 options_.snapshot, at_.epoch + 1, at_.steps);
    }
  }

  double seconds() const { return before_ + progress_.seconds(); }

  const ParameterSet& parameters_;
  optim::Optimizer& optimizer_;
  const Task& task_;
  const FitOptions& options_;
  Parallel parallel_;
  Interrupt interrupt_;
  Progress progress_;
  Position at_;
  std::map<std::string, Tensor> best_;
  /// Of the snapshot, until the first batches are there: their making begins with nothing carried.
  std::optional<std::map<std::string, Tensor>> carried_;
  std::string snapshot_fault_;
  std::int64_t skipped_ = 0;
  int skipped_in_a_row_ = 0;
  double before_ = 0;  ///< seconds of the parts before this one
  double saved_at_ = 0, weight_here_ = 0, last_loss_ = 0;
  bool over_ = false;
};

}  // namespace

FitSummary fit(const ParameterSet& parameters, optim::Optimizer& optimizer, const Task& task,
               const FitOptions& options) {
  check(task, options);
  return blame_memory("fit", [&] { return Fit(parameters, optimizer, task, options).run(); });
}

std::function<double(const Moment&)> cosine_rate(double peak, double last, std::int64_t warmup) {
  if (!(peak >= 0 && std::isfinite(peak) && last >= 0 && std::isfinite(last)) || warmup < 0) {
    throw ValueError(
        fmt::format("cosine_rate: got peak {}, last {} and warmup {}; expected finite numbers >= 0",
                    peak, last, warmup));
  }
  return [=](const Moment& now) {
    const double rise =
        warmup > 0 ? std::min(1.0, static_cast<double>(now.step + 1) / static_cast<double>(warmup))
                   : 1.0;
    const double fall = 0.5 * (1 + std::cos(std::numbers::pi * now.fraction));
    return peak * rise * (last + (1 - last) * fall);
  };
}

}  // namespace unroll::train
