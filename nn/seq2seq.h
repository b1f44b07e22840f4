// Sequence to sequence: search with an EncoderDecoder.
#pragma once

#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/nn/decoder.h>
#include <unroll/nn/encoder_decoder.h>

namespace unroll::nn {

/// An EncoderDecoder as a Decoder for one batch of source ids int32 [B, S]. Refers to the model.
template <class Model>
requires requires { typename Model::Encoded; }
auto decoder(const Model& model, const Tensor& source, const Lengths& lengths = {}) {
  return blame_memory("decoder", [&] {
    Tape tape({.training = false});
    const Tape::NoGradient guard = tape.no_gradient();
    const typename Model::Encoded encoded = model.encode(tape, source, lengths);
    return decoder(
        [&model](Tape&, const Variable& ids, const typename Model::DecoderState& state,
                 const AttentionMemory& memory) { return model.decode_step(memory, state, ids); },
        encoded.state, encoded.memory);
  });
}

/// The ids that the model was made with, in options for decoding.
inline DecodingOptions with_ids_of(const EncoderDecoderOptions& model, DecodingOptions options) {
  options.begin = model.begin;
  options.end = model.end;
  return options;
}

// Search for the targets of source ids int32 [B, S]; options' begin and end are the model's.

template <class Model>
std::vector<Hypothesis> greedy(const Model& model, const Tensor& source,
                               const DecodingOptions& options = {}, const Lengths& lengths = {}) {
  return blame_memory("greedy", [&] {
    return greedy(decoder(model, source, lengths), with_ids_of(model.options(), options));
  });
}
template <class Model>
std::vector<std::vector<Hypothesis>> beam_search(const Model& model, const Tensor& source,
                                                 const DecodingOptions& options = {},
                                                 const Lengths& lengths = {}) {
  return blame_memory("beam_search", [&] {
    return beam_search(decoder(model, source, lengths), with_ids_of(model.options(), options));
  });
}
template <class Model>
std::vector<std::vector<Hypothesis>> sample(const Model& model, const Tensor& source,
                                            const DecodingOptions& options = {},
                                            const Lengths& lengths = {}) {
  return blame_memory("sample", [&] {
    return sample(decoder(model, source, lengths), with_ids_of(model.options(), options));
  });
}

}  // namespace unroll::nn
