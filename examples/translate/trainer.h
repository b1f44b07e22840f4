// Trainer: epochs over a corpus, validation after each, the best model kept.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <unroll/examples/translate/languages.h>
#include <unroll/examples/translate/translator.h>
#include <unroll/train/fit.h>

namespace unroll::translate {

struct TrainerOptions {
  int epochs = 20;
  double minutes = 0;                ///< time limit; 0: none
  std::int64_t batch_tokens = 2048;  ///< of the longer side, padding included
  double learning_rate = 2e-3;       ///< the peak; falls to a twentieth along a half cosine
  std::int64_t warmup_steps = 200;
  double label_smoothing = 0.1;
  double own_tokens = 0;    ///< see TargetOptions
  double weight_decay = 0;  ///< of AdamW
  double clip_norm = 1.0;   ///< 0: not clipped
  int patience = 5;         ///< 0: no end but that of the epochs
  int shards = 4;
  int threads = 0;
  bool bf16 = false;  ///< products of bfloat16 while training, see TapeOptions
  std::uint64_t seed = 1;
  std::string snapshot = {};       ///< what to go on from, see train::FitOptions
  std::string name = "translate";  ///< likewise
  bool quiet = false;              ///< show nothing on standard error
};

/// Nats per target token (<eos> included) of pairs that are not trained on. With `own_tokens` the
/// decoder is fed what it would write itself, not the true tokens. Throws ValueError for no pairs.
double loss_of(const Translator& translator, const std::vector<Example>& examples,
               bool own_tokens = false, int threads = 0);

/// Trains `translator` in place and writes it to `path` whenever the validation loss is the best
/// so far; on return it holds the best parameters. Shows progress on standard error. Ctrl-C
/// validates once more, keeps the better model and returns.
/// Throws ValueError without training or validation examples or for options out of range, IoError
/// if the model cannot be written, StateError for bf16 on a CPU without it, NumericError when the
/// loss is not finite.
train::FitSummary train(Translator& translator, const std::vector<Example>& training,
                        const std::vector<Example>& validation, const TrainerOptions& options,
                        const std::string& path);

}  // namespace unroll::translate
