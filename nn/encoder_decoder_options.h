// What an EncoderDecoder is made with, and what its loss may be told.
#pragma once

#include <cstdint>

#include <unroll/nn/lengths.h>
#include <unroll/nn/teacher_forcing.h>
#include <unroll/ops/losses.h>

namespace unroll::nn {

struct EncoderDecoderOptions {
  std::int64_t source_vocabulary = 0;  ///< how many source ids there are
  std::int64_t target_vocabulary = 0;
  std::int64_t embedding = 256;  ///< width of the embeddings and of what the logits are made from
  std::int64_t hidden = 512;     ///< width of every cell and of the attention
  int encoder_layers = 1;
  int decoder_layers = 1;
  double dropout = 0;  ///< of embeddings, between layers and before the logits, while training
  /// The decoder's first layer makes two transitions per step, one with the token and, after
  /// looking over the memory, one with the context (Sennrich et al. 2017). Otherwise it looks first
  /// and makes one with both.
  bool conditional = false;
  bool tie_output = false;  ///< the target embedding is the weight of the output layer, too
  std::int32_t pad = 0, begin = 2, end = 3;  ///< ids, as in <unroll/text/vocabulary.h>
};

struct TargetLossOptions {
  Lengths source_lengths = {};  ///< if not given: up to the last id that is not padding
  double label_smoothing = 0;
  ScheduledSampling sampling = {};        ///< some steps are fed the model's own tokens
  Reduction reduction = Reduction::mean;  ///< over the target tokens that are not padding
};

}  // namespace unroll::nn
