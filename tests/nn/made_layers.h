// Every layer that creates parameters, made in a scope: for tests of what is left when that fails.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/nn/nn.h>

namespace unroll::testing {

struct MadeLayer {
  std::string name;
  std::function<void(const Scope& scope)> make;
};

template <class Cell>
MadeLayer made_cell(const char* name) {
  return {name, [](const Scope& scope) { Cell(scope, 3, 4); }};
}

/// With the options that make the most parameters.
inline std::vector<MadeLayer> made_layers() {
  using S = const Scope&;
  static const std::vector<std::int64_t> widths{4, 2};
  return {
      {"Linear", [](S s) { nn::Linear(s, 3, 4); }},
      {"Embedding", [](S s) { nn::Embedding(s, 5, 3, {.padding_idx = 1}); }},
      {"LayerNorm", [](S s) { nn::LayerNorm(s, 3); }},
      {"Crf", [](S s) { nn::Crf(s, 3); }},
      {"LearnedPositionalEncoding", [](S s) { nn::LearnedPositionalEncoding(s, 5, 3); }},
      {"AdditiveAttention", [](S s) { nn::AdditiveAttention(s, 3, 4, 2); }},
      {"GeneralAttention", [](S s) { nn::GeneralAttention(s, 3, 4); }},
      {"LocationAttention", [](S s) { nn::LocationAttention(s, 3, 4, 2); }},
      {"MultiheadAttention", [](S s) { nn::MultiheadAttention(s, 4, 2); }},
      {"MultiheadAttention with widths",
       [](S s) { nn::MultiheadAttention(s, 4, 2, {.key_width = 3, .value_width = 5}); }},
      {"TransformerEncoderLayer",
       [](S s) { nn::TransformerEncoderLayer(s, 4, {.heads = 2, .feedforward = 3}); }},
      {"TransformerEncoder",
       [](S s) {
         nn::TransformerEncoder(s, 2, 4,
                                {.layer = {.heads = 2, .feedforward = 3}, .final_norm = true});
       }},
      {"TransformerDecoder",
       [](S s) {
         nn::TransformerDecoder(s, 2, 4,
                                {.layer = {.heads = 2, .feedforward = 3}, .final_norm = true});
       }},
      made_cell<nn::RNNCell>("RNNCell"),
      made_cell<nn::GRUCell>("GRUCell"),
      made_cell<nn::CoupledLSTMCell>("CoupledLSTMCell"),
      made_cell<nn::PeepholeLSTMCell>("PeepholeLSTMCell"),
      made_cell<nn::MinimalGatedCell>("MinimalGatedCell"),
      made_cell<nn::LayerNormLSTMCell>("LayerNormLSTMCell"),
      made_cell<nn::LayerNormGRUCell>("LayerNormGRUCell"),
      {"LSTMCell", [](S s) { nn::LSTMCell(s, 3, 4, {.forget_bias = 1.0, .projection = 2}); }},
      {"LearnedState",
       [](S s) { nn::LearnedState<nn::LSTMCell>(s, nn::LSTMCell(s / "cell", 3, 4)); }},
      {"RNN", [](S s) { nn::RNN(s, 3, 4); }},
      {"LSTM", [](S s) { nn::LSTM(s, 3, 4, {.layers = 2, .bidirectional = true}); }},
      {"GRU", [](S s) { nn::GRU(s, 3, widths); }},
      {"GRU with a common width", [](S s) { nn::GRU(s, 3, 4, {.layers = 2}); }},
      {"wrapped LSTM",
       [](S s) {
         nn::LSTM(s, 3, 4).wrapped(
             [](const nn::LSTMCell& cell) { return nn::RecurrentDropout(cell, 0.5); });
       }},
      {"EncoderDecoder",
       [](S s) {
         nn::EncoderDecoder<>(s, {.source_vocabulary = 7,
                                  .target_vocabulary = 6,
                                  .embedding = 3,
                                  .hidden = 2,
                                  .encoder_layers = 2,
                                  .decoder_layers = 2});
       }},
      {"conditional EncoderDecoder",
       [](S s) {
         nn::EncoderDecoder<nn::LSTMCell, nn::LocationAttention>(s, {.source_vocabulary = 7,
                                                                     .target_vocabulary = 6,
                                                                     .embedding = 3,
                                                                     .hidden = 2,
                                                                     .conditional = true,
                                                                     .tie_output = true});
       }},
  };
}

}  // namespace unroll::testing
