// The layers, put together from attention and the feed-forward net.
#include <unroll/nn/transformer.h>

#include <string>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/sequence_mask.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

namespace detail {

TransformerLayer::TransformerLayer(const LayerScope& scope, std::int64_t width,
                                   const TransformerOptions& options)
    : options_(options),
      linear1_(scope / "linear1", width, options.feedforward),
      linear2_(scope / "linear2", options.feedforward, width) {}

Variable TransformerLayer::feedforward(const Variable& x) const {
  const Variable inner = linear1_(x);
  const bool is_gelu = options_.activation == TransformerActivation::gelu;
  return linear2_(dropped(is_gelu ? gelu(inner) : relu(inner)));
}

Variable TransformerLayer::dropped(const Variable& x) const { return dropout(x, options_.dropout); }

}  // namespace detail

namespace {

/// Checks what attention does not, before it is made.
MultiheadAttentionOptions attention_options(const TransformerOptions& options) {
  detail::expect_sizes("TransformerLayer", {{"feedforward", options.feedforward}});
  return {.dropout = options.dropout, .batch_first = options.batch_first};
}

template <class Layer>
std::vector<Layer> make_layers(const char* of, const LayerScope& scope, int count,
                               std::int64_t width, const TransformerOptions& options) {
  return blame_memory(of, [&] {
    detail::layer_count(of, count, 0);
    std::vector<Layer> layers;
    for (int i = 0; i < count; ++i) {
      layers.emplace_back(scope / "layers" / std::to_string(i), width, options);
    }
    return layers;
  });
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(const LayerScope& scope, std::int64_t width,
                                                 const TransformerOptions& options)
    : attention_(scope / "self_attn", width, options.heads, attention_options(options)),
      common_(scope, width, options),
      norm1_(scope / "norm1", width),
      norm2_(scope / "norm2", width) {}

Variable TransformerEncoderLayer::operator()(const Variable& x, const TransformerEncoderCall& call,
                                             Location at) const {
  return recorded(x, at, "TransformerEncoderLayer", [&] {
    const SequenceMask real(x, call.lengths, common_.options().batch_first);
    const Variable attended = common_.sublayer(real(x), norm1_, [&](const Variable& y) {
      return attention_(y, y, y,
                        {.key_lengths = call.lengths, .mask = call.mask, .causal = call.causal}, at)
          .output;
    });
    return real(common_.sublayer(attended, norm2_,
                                 [&](const Variable& y) { return common_.feedforward(y); }));
  });
}

TransformerDecoderLayer::TransformerDecoderLayer(const LayerScope& scope, std::int64_t width,
                                                 const TransformerOptions& options)
    : self_attention_(scope / "self_attn", width, options.heads, attention_options(options)),
      memory_attention_(scope / "multihead_attn", width, options.heads, attention_options(options)),
      common_(scope, width, options),
      norm1_(scope / "norm1", width),
      norm2_(scope / "norm2", width),
      norm3_(scope / "norm3", width) {}

template <class OverSelf, class OverMemory>
Variable TransformerDecoderLayer::sublayers(const Variable& x, OverSelf over_self,
                                            OverMemory over_memory) const {
  const Variable first = common_.sublayer(x, norm1_, over_self);
  const Variable second = common_.sublayer(first, norm2_, over_memory);
  return common_.sublayer(second, norm3_,
                          [&](const Variable& y) { return common_.feedforward(y); });
}

Variable TransformerDecoderLayer::operator()(const Variable& x, const Variable& memory,
                                             const TransformerDecoderCall& call,
                                             Location at) const {
  return recorded({x, memory}, at, "TransformerDecoderLayer", [&] {
    const SequenceMask real(x, call.lengths, common_.options().batch_first);
    const MultiheadMemory prepared = prepare(memory, call.memory_lengths, at);
    return real(sublayers(
        real(x),
        [&](const Variable& y) {
          return self_attention_(
                     y, y, y,
                     {.key_lengths = call.lengths, .mask = call.mask, .causal = call.causal}, at)
              .output;
        },
        [&](const Variable& y) {
          return memory_attention_.attend(y, prepared, {.mask = call.memory_mask}, at).output;
        }));
  });
}

TransformerDecoderLayer::Decoded TransformerDecoderLayer::step(const Variable& x,
                                                               const State& state,
                                                               const MultiheadMemory& memory,
                                                               Location at) const {
  return recorded({x, state.keys, memory.keys}, at, "TransformerDecoderLayer", [&] {
    Decoded result;
    const int time_axis = common_.options().batch_first ? 1 : 0;
    const Variable output = sublayers(
        reshape(x, x.shape().inserted(time_axis, 1)),
        [&](const Variable& y) {
          result.state = extended(state, self_attention_.prepare(y, y, {}, at));
          return self_attention_.attend(y, result.state, {}, at).output;
        },
        [&](const Variable& y) {
          auto [attended, weights] = memory_attention_.attend(y, memory, {}, at);
          result.weights = std::move(weights);
          return attended;
        });
    result.output = reshape(output, x.shape());
    return result;
  });
}

TransformerEncoder::TransformerEncoder(const LayerScope& scope, int layers, std::int64_t width,
                                       const TransformerStackOptions& options)
    : batch_first_(options.layer.batch_first),
      layers_(make_layers<TransformerEncoderLayer>("TransformerEncoder", scope, layers, width,
                                                   options.layer)) {
  if (options.final_norm) norm_.emplace(scope / "norm", width);
}

Variable TransformerEncoder::operator()(const Variable& x, const TransformerEncoderCall& call,
                                        Location at) const {
  return recorded(x, at, "TransformerEncoder", [&] {
    Variable y = x;
    for (const auto& layer : layers_) y = layer(y, call, at);
    return norm_ ? SequenceMask(x, call.lengths, batch_first_)((*norm_)(y)) : y;
  });
}

TransformerDecoder::TransformerDecoder(const LayerScope& scope, int layers, std::int64_t width,
                                       const TransformerStackOptions& options)
    : batch_first_(options.layer.batch_first),
      layers_(make_layers<TransformerDecoderLayer>("TransformerDecoder", scope, layers, width,
                                                   options.layer)) {
  if (options.final_norm) norm_.emplace(scope / "norm", width);
}

Variable TransformerDecoder::operator()(const Variable& x, const Variable& memory,
                                        const TransformerDecoderCall& call, Location at) const {
  return recorded({x, memory}, at, "TransformerDecoder", [&] {
    Variable y = x;
    for (const auto& layer : layers_) y = layer(y, memory, call, at);
    return norm_ ? SequenceMask(x, call.lengths, batch_first_)((*norm_)(y)) : y;
  });
}

TransformerDecoder::Memory TransformerDecoder::prepare(const Variable& memory,
                                                       const Lengths& lengths, Location at) const {
  return recorded(memory, at, "TransformerDecoder", [&] {
    Memory result;
    for (const auto& layer : layers_) result.push_back(layer.prepare(memory, lengths, at));
    return result;
  });
}

TransformerDecoder::State TransformerDecoder::initial_state(const Variable& like,
                                                            std::int64_t batch) const {
  State result;
  for (const auto& layer : layers_) result.push_back(layer.initial_state(like, batch));
  return result;
}

TransformerDecoder::Decoded TransformerDecoder::step(const Variable& x, const State& state,
                                                     const Memory& memory, Location at) const {
  return recorded(x, at, "TransformerDecoder", [&]() -> Decoded {
    if (state.size() != layers_.size() || memory.size() != layers_.size()) {
      throw ValueError("got " + std::to_string(state.size()) + " states and " +
                       std::to_string(memory.size()) + " memories; expected one per layer, " +
                       std::to_string(layers_.size()));
    }
    Decoded result{x, {}, {}};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      auto [output, weights, next] = layers_[i].step(result.output, state[i], memory[i], at);
      result.output = std::move(output);
      result.weights = std::move(weights);
      result.state.push_back(std::move(next));
    }
    if (norm_) result.output = (*norm_)(result.output);
    return result;
  });
}

}  // namespace unroll::nn
