// Transformer layers (Vaswani et al. 2017), of attention over the sequence itself, in a decoder
// attention over a memory, and a net of two layers, each of these a sublayer f:
//
//   x = norm(x + dropout(f(x)))      or, if norm_first,      x = x + dropout(f(norm(x)))
//
//   feed-forward    f(x) = W_2 dropout(act(W_1 x + b_1)) + b_2
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <unroll/nn/layer_norm.h>
#include <unroll/nn/multihead_attention.h>

namespace unroll::nn {

enum class TransformerActivation : std::uint8_t { relu, gelu };

struct TransformerOptions {
  std::int64_t heads = 8;
  std::int64_t feedforward = 2048;  ///< width of the hidden layer
  double dropout = 0;               ///< everywhere the equations have it, while training
  TransformerActivation activation = TransformerActivation::relu;
  bool norm_first = false;
  bool batch_first = false;  ///< [B, T, width] instead of [T, B, width]
};

struct TransformerEncoderCall {
  Lengths lengths = {};  ///< steps beyond have no influence, NaN included; their output is 0
  Variable mask = {};    ///< as in MultiheadAttendOptions
  bool causal = false;   ///< a step sees itself and those before it
};

struct TransformerDecoderCall {
  Lengths lengths = {};         ///< of the target, as above
  Lengths memory_lengths = {};  ///< of the memory
  bool causal = true;           ///< a step sees itself and those before it
  Variable mask = {};           ///< of the target, as in MultiheadAttendOptions
  Variable memory_mask = {};    ///< of the memory, likewise
};

namespace detail {

/// What both layers share: linear1, linear2 and the sublayers' frame.
class TransformerLayer {
 public:
  TransformerLayer(const LayerScope& scope, std::int64_t width, const TransformerOptions& options);
  Variable feedforward(const Variable& x) const;
  const TransformerOptions& options() const { return options_; }

  /// One sublayer: the residual, normalised before f or after the sum.
  template <class F>
  Variable sublayer(const Variable& x, const LayerNorm& norm, F f) const {
    if (options_.norm_first) return x + dropped(f(norm(x)));
    return norm(x + dropped(f(x)));
  }

 private:
  Variable dropped(const Variable& x) const;

  TransformerOptions options_;
  Linear linear1_, linear2_;
};

}  // namespace detail

/// Equations and parameters are PyTorch's: self_attn, linear1, linear2, norm1, norm2. First values
/// are those of the parts. Throws ValueError unless heads divide the width.
class TransformerEncoderLayer {
 public:
  TransformerEncoderLayer(const LayerScope& scope, std::int64_t width,
                          const TransformerOptions& options = {});
  /// x [T, B, width] -> the same shape
  Variable operator()(const Variable& x, const TransformerEncoderCall& call = {},
                      Location at = Location::current()) const;

 private:
  // Heads are checked before a parameter is made, and the order is PyTorch's.
  MultiheadAttention attention_;
  detail::TransformerLayer common_;
  LayerNorm norm1_, norm2_;
};

/// Parameters as in PyTorch: self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3.
class TransformerDecoderLayer {
 public:
  /// What a step leaves to the next: keys and values of the steps so far, which are
  /// keys.shape()[2] in number.
  using State = MultiheadMemory;
  struct Decoded {
    Variable output;   ///< [B, width]
    Variable weights;  ///< over the memory: [B, heads, 1, S]
    State state;
  };

  TransformerDecoderLayer(const LayerScope& scope, std::int64_t width,
                          const TransformerOptions& options = {});

  /// x [T, B, width], memory [S, B, width] -> [T, B, width]
  Variable operator()(const Variable& x, const Variable& memory,
                      const TransformerDecoderCall& call = {},
                      Location at = Location::current()) const;

  /// The keys and values of a memory [S, B, width], once for all steps.
  MultiheadMemory prepare(const Variable& memory, const Lengths& lengths = {},
                          Location at = Location::current()) const {
    return memory_attention_.prepare(memory, memory, lengths, at);
  }
  /// Before the first step of `batch` sequences.
  State initial_state(const Variable& like, std::int64_t batch) const {
    return self_attention_.empty(like, batch);
  }
  /// The next step, x [B, width]: what the whole sequence gives with `causal`.
  Decoded step(const Variable& x, const State& state, const MultiheadMemory& memory,
               Location at = Location::current()) const;

 private:
  /// The three sublayers around the two kinds of attention.
  template <class OverSelf, class OverMemory>
  Variable sublayers(const Variable& x, OverSelf over_self, OverMemory over_memory) const;

  MultiheadAttention self_attention_, memory_attention_;
  detail::TransformerLayer common_;
  LayerNorm norm1_, norm2_, norm3_;
};

struct TransformerStackOptions {
  TransformerOptions layer = {};
  bool final_norm = false;  ///< a LayerNorm `norm` after the last layer: norm_first needs it
};

/// Layers on top of each other; parameters layers.0, layers.1, ..., norm. Throws ValueError for a
/// negative number of layers, and what a layer throws.
class TransformerEncoder {
 public:
  TransformerEncoder(const LayerScope& scope, int layers, std::int64_t width,
                     const TransformerStackOptions& options = {});
  Variable operator()(const Variable& x, const TransformerEncoderCall& call = {},
                      Location at = Location::current()) const;

 private:
  bool batch_first_;
  std::vector<TransformerEncoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};

/// Layers on top of each other; parameters layers.0, layers.1, ..., norm. Throws ValueError for a
/// negative number of layers, and what a layer throws.
class TransformerDecoder {
 public:
  using State = std::vector<MultiheadMemory>;
  using Memory = std::vector<MultiheadMemory>;
  struct Decoded {
    Variable output;   ///< [B, width]
    Variable weights;  ///< of the last layer over the memory: [B, heads, 1, S]
    State state;
  };

  TransformerDecoder(const LayerScope& scope, int layers, std::int64_t width,
                     const TransformerStackOptions& options = {});
  Variable operator()(const Variable& x, const Variable& memory,
                      const TransformerDecoderCall& call = {},
                      Location at = Location::current()) const;

  // Step by step, as the functions of the layer. `prepare` takes what operator() takes as memory.
  Memory prepare(const Variable& memory, const Lengths& lengths = {},
                 Location at = Location::current()) const;
  State initial_state(const Variable& like, std::int64_t batch) const;
  Decoded step(const Variable& x, const State& state, const Memory& memory,
               Location at = Location::current()) const;

 private:
  bool batch_first_;
  std::vector<TransformerDecoderLayer> layers_;
  std::optional<LayerNorm> norm_;
};

}  // namespace unroll::nn
