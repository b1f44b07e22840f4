// fit: the training loop. Epochs of batches, each cut into shards; clipped gradients; validation
// after every epoch, the best parameters kept; a snapshot to go on from.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <unroll/autograd/parallel.h>
#include <unroll/optim/optimizer.h>
#include <unroll/train/examples.h>

namespace unroll::train {

/// How good a model is on held-out data.
struct Score {
  double loss = 0;    ///< what is to become small, 1 - accuracy say; finite
  std::string shown;  ///< beside it on the line of the epoch
};

/// What is learnt.
struct Task {
  /// The batches of epoch 0, 1, ... The same epoch has to give the same batches again if a training
  /// is to go on where it was cut off.
  std::function<Batches(int epoch)> batches;
  /// The sum of the losses of some examples of a batch, recorded on the tape; may be called from
  /// several threads at once. Undefined: nothing to learn from these.
  std::function<Variable(Tape& tape, Examples examples)> loss = {};
  /// What the loss of a batch is divided by: its tokens, say. If empty, its examples.
  std::function<double(Examples examples)> weight = {};
  /// After every epoch. If empty, the last parameters are kept.
  std::function<Score()> validate = {};
  /// Takes the place of `loss` where a step is more than that: the mean loss of a batch and its
  /// gradients.
  std::function<LossAndGradients(Parallel& parallel, Examples batch, std::uint64_t seed)> step = {};
  /// What a step hands on to the next beside the parameters, for snapshots: the carried state of
  /// truncated back-propagation.
  std::function<std::map<std::string, Tensor>()> carried = {};
  std::function<void(const std::map<std::string, Tensor>&)> set_carried = {};
};

/// How far a training is.
struct Moment {
  std::int64_t step = 0;  ///< updates made
  double epoch = 0;       ///< epochs done, a broken number
  double fraction = 0;    ///< of the epochs, or of the time if that is limited and nearer its end
};

/// What becomes of a step whose loss or gradients are NaN or infinite, or that would make the
/// parameters so. Parameters and moments stay as they were in either case.
enum class NonFinite : std::uint8_t {
  stop,  ///< NumericError, which names the op at which it began, its shapes and its line
  skip,  ///< the training goes on with the next batch
};

struct FitOptions {
  int epochs = 10;
  double minutes = 0;  ///< the training ends after the step in which they are over; 0: no limit
  NonFinite non_finite = NonFinite::stop;
  int most_skipped = 100;  ///< in a row; one more, and the training stops all the same
  double clip_norm = 0;    ///< the largest norm of all gradients together; 0: not clipped
  /// The learning rate of each step; if empty, the optimiser's own. Any optim::Schedule s will do
  /// as [s](const Moment& now) { return s(now.step); }.
  std::function<double(const Moment& now)> learning_rate = {};
  int patience = 0;  ///< ends after so many epochs without a better score; 0: goes on
  ParallelOptions parallel = {.shards = 4};
  std::uint64_t seed = 1;  ///< of what is random in a step: dropout
  /// Called when the score is the best so far, with the parameters in place: saves the model.
  std::function<void()> improved = {};
  /// Where to write what is needed to go on, after every epoch and at the end; if empty, nowhere. A
  /// file that is there already is gone on from, and everything comes out as if there had been no
  /// break (unless the time is limited). A write that fails, on a full disk say, does not end the
  /// training: it is reported, the old file stays, and the next time it is tried again.
  std::string snapshot = {};
  double snapshot_minutes = 0;  ///< also so often within an epoch; 0: not
  std::string name = "fit";     ///< of the task, in lines and in the snapshot
  bool quiet = false;           ///< nothing on standard error
};

struct FitSummary {
  int epochs = 0;  ///< begun
  std::int64_t steps = 0;
  std::int64_t skipped = 0;  ///< steps that were not made, see NonFinite; since the last start
  int best_epoch = 0;        ///< from 1; 0: never validated
  double best_loss = 0;      ///< the score's
  double last_loss = 0;      ///< mean training loss of the last epoch
  double seconds = 0;        ///< of all parts of the training
  bool interrupted = false;
  /// Why the newest snapshot could not be written; empty if it was.
  std::string snapshot_fault = {};
};

/// Trains `parameters` with `optimizer`, which has to be new or, when going on from a snapshot, of
/// the same kind. In the end the parameters are the best ones. Ctrl-C (SIGINT) or SIGTERM ends
/// after the step at hand, with a snapshot.
/// Throws ValueError for options out of range, no batches or an empty batch, or a snapshot of
/// another task, model or data; NumericError if a score is not finite, or a step as NonFinite says;
/// IoError if the snapshot cannot be read or, before anything is trained, if its folder cannot be
/// written to; OutOfMemory; and what the task's functions throw. After any of these the parameters
/// and the optimiser are as some whole number of steps left them.
FitSummary fit(const ParameterSet& parameters, optim::Optimizer& optimizer, const Task& task,
               const FitOptions& options = {});

/// `peak` along half a cosine down to `last` * peak at the end of the training, after a linear rise
/// over the first `warmup` steps (Loshchilov and Hutter 2017): for FitOptions::learning_rate.
std::function<double(const Moment&)> cosine_rate(double peak, double last = 0.05,
                                                 std::int64_t warmup = 0);

}  // namespace unroll::train
