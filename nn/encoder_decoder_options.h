// What an EncoderDecoder is made with, and what its loss may be told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <unroll/autograd/error.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/lengths.h>
#include <unroll/nn/teacher_forcing.h>
#include <unroll/ops/losses.h>

namespace unroll::nn {

struct EncoderDecoderOptions {
  std::int64_t source_vocabulary = 0;  ///< how many source ids there are
  std::int64_t target_vocabulary = 0;
  std::int64_t embedding = 256;  ///< width of the embeddings
  std::int64_t hidden = 512;     ///< width of every cell and of the attention
  int encoder_layers = 1;
  int decoder_layers = 1;
  double dropout = 0;  ///< of embeddings, between layers and before the logits, while training
  /// The decoder's first layer makes two transitions per step, one with the token and, after
  /// looking over the memory, one with the context (Sennrich et al. 2017). Otherwise it looks first
  /// and makes one with both.
  bool conditional = false;
  /// A tanh layer of width `embedding` makes what the logits are linear in (Pascanu et al. 2014).
  /// Otherwise they are linear in output, context and token themselves.
  bool deep_output = true;
  bool tie_output = false;  ///< the target embedding is the weight of the output layer, too
  std::int32_t pad = 0, begin = 2, end = 3;  ///< ids, as in <unroll/text/vocabulary.h>
};

namespace detail {

/// The same options. Throws ValueError for fewer than one layer, if `pad` is no id of both sides,
/// or for a tied output without the layer that gives it the embedding's width.
inline const EncoderDecoderOptions& checked(const EncoderDecoderOptions& options) {
  expect_sizes("EncoderDecoder", {{"source_vocabulary", options.source_vocabulary},
                                  {"target_vocabulary", options.target_vocabulary},
                                  {"embedding", options.embedding},
                                  {"hidden", options.hidden}});
  layer_count("EncoderDecoder", options.encoder_layers);
  layer_count("EncoderDecoder", options.decoder_layers);
  expect_rate("EncoderDecoder", "dropout", options.dropout);
  const std::int64_t ids = std::min(options.source_vocabulary, options.target_vocabulary);
  if (options.pad < 0 || options.pad >= ids) {
    throw ValueError("EncoderDecoder: got pad " + std::to_string(options.pad) + " of " +
                     std::to_string(ids) + " ids; expected one of them");
  }
  if (options.tie_output && !options.deep_output) {
    throw ValueError("EncoderDecoder: got tie_output without deep_output; expected both");
  }
  return options;
}

}  // namespace detail

struct TargetLossOptions {
  Lengths source_lengths = {};  ///< if not given: up to the last id that is not padding
  double label_smoothing = 0;
  ScheduledSampling sampling = {};        ///< some steps are fed the model's own tokens
  Reduction reduction = Reduction::mean;  ///< over the target tokens that are not padding
};

}  // namespace unroll::nn
