// Translator: two languages and an encoder-decoder between them, as one thing to train, save, load
// and use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>
#include <unroll/examples/translate/languages.h>

namespace unroll::translate {

/// The size of the network.
struct ModelOptions {
  std::int64_t embedding = 256;
  std::int64_t hidden = 512;
  double dropout = 0.2;
  bool conditional = false, deep_output = true;  ///< see nn::EncoderDecoderOptions
};

/// What is fed to the decoder besides the source, and what is expected of it.
struct TargetOptions {
  double label_smoothing = 0;
  double own_tokens = 0;       ///< share of steps that are fed what the model itself would write
  bool in_evaluation = false;  ///< these also on a tape that is not in training mode
};

/// How translations are looked for.
struct SearchOptions {
  int beam = 1;  ///< 1: greedy
  double length_penalty = 1.0;
  int max_length = 0;  ///< tokens; 0: twice the source and ten more
};

/// One translation of a sentence.
struct Translation {
  std::string text;
  double score = 0;                           ///< log-probability over the length penalty
  std::vector<std::string> source_tokens;     ///< what the attention is over, <eos> last
  std::vector<std::string> tokens;            ///< with <eos> if it was reached
  std::vector<std::vector<float>> attention;  ///< [tokens][source_tokens]
};

class Translator {
 public:
  Translator(Languages languages, const ModelOptions& options, std::uint64_t seed);
  ~Translator();
  Translator(Translator&&) noexcept;
  Translator& operator=(Translator&&) noexcept;

  /// Cross-entropy of the targets, summed over tokens (<eos> included): a scalar on `tape`.
  Variable loss(Tape& tape, const std::vector<const Example*>& examples,
                const TargetOptions& options = {}) const;

  /// The best translations of a sentence, at most `n_best`, best first.
  std::vector<Translation> translate(const std::string& sentence, const SearchOptions& search,
                                     int n_best = 1) const;
  /// The best translation of each sentence, on several threads.
  std::vector<std::string> translate_all(const std::vector<std::string>& sentences,
                                         const SearchOptions& search, int threads = 0) const;

  const Languages& languages() const;
  ParameterSet& parameters();
  const ParameterSet& parameters() const;
  /// All parameters, in order; `assign` takes them back.
  std::vector<Tensor> values() const;
  void assign(const std::vector<Tensor>& values);

  /// One safetensors file: weights by full name, everything else in its metadata. Written to a
  /// temporary file, synced and renamed, so that a crash leaves the old file or the new one.
  /// Throws IoError.
  void save(const std::string& path) const;
  /// Throws IoError for a file that cannot be read or is no such model.
  static Translator load(const std::string& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace unroll::translate
