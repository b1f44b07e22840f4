// The network of the language models: embedding -> layers of LSTM -> scores of the next token, with
// dropout before, between and after the layers.
#pragma once

#include <cstdint>
#include <optional>

#include <unroll/examples/tasks/parts/columns.h>
#include <unroll/examples/tasks/parts/program.h>
#include <unroll/nn/nn.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/metrics.h>

namespace unroll::tasks {

struct LanguageNetwork {
  using States = nn::LSTM::States;

  text::Vocabulary vocabulary;
  ParameterSet parameters;
  nn::Embedding embedding;
  nn::LSTM lstm;
  nn::Linear scores;
  double dropout_rate;

  /// Tied: the scores' matrix is the embedding's. Throws ValueError if their widths differ.
  LanguageNetwork(const Settings& s, text::Vocabulary vocabulary, bool tied);
  static LanguageNetwork load(const Settings& s);

  std::int64_t size() const { return static_cast<std::int64_t>(vocabulary.size()); }

  struct Read {
    Variable scores;  ///< [T, B, V]
    States states;
  };
  /// ids int32 [T, B]
  Read operator()(const Variable& ids, const std::optional<States>& states) const;
  /// The sum of the losses of a chunk, and the states after it; nothing for one without columns.
  nn::Truncated<States> loss(Tape& tape, const Columns::Chunk& chunk,
                             const std::optional<States>& states) const;
  /// Of a whole text, the states carried from its begin to its end.
  train::Perplexity perplexity(const Columns& text, int threads) const;
};

}  // namespace unroll::tasks
