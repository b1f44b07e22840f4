// Projections, heads and masks.
#include <unroll/nn/multihead_attention.h>

#include <fmt/format.h>

#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/sequence_mask.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

namespace {

/// bool [queries, keys], see MultiheadAttendOptions.
Tensor causal_mask(std::int64_t queries, std::int64_t keys) {
  Tensor mask(Shape{queries, keys}, Dtype::bool_);
  const auto out = mask.mutable_data<bool>();
  for (std::int64_t t = 0; t < queries; ++t) {
    for (std::int64_t s = 0; s <= keys - queries + t; ++s) {
      out[static_cast<std::size_t>(t * keys + s)] = true;
    }
  }
  return mask;
}

/// Where both are true; an undefined one is true everywhere.
Variable both(const Variable& a, const Variable& b) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  return a * b > 0.0;
}

}  // namespace

MultiheadMemory extended(const MultiheadMemory& memory, const MultiheadMemory& more) {
  if (memory.mask.defined() || more.mask.defined()) {
    throw StateError("extended: got a memory with a mask; expected none");
  }
  return {concat({memory.keys, more.keys}, 2), concat({memory.values, more.values}, 2), {}};
}

MultiheadAttention::MultiheadAttention(const LayerScope& scope, std::int64_t width,
                                       std::int64_t heads, const MultiheadAttentionOptions& options)
    : width_(width), heads_(heads), dropout_(options.dropout), batch_first_(options.batch_first) {
  detail::expect_sizes(
      "MultiheadAttention",
      {{"width", width}, {"key_width", options.key_width}, {"value_width", options.value_width}});
  detail::expect_rate("MultiheadAttention", "dropout", options.dropout);
  if (heads < 1 || width % heads != 0) {
    throw ValueError(
        fmt::format("MultiheadAttention: got {} heads for a width of {}; expected a "
                    "divisor of it",
                    heads, width));
  }
  const auto own = [&](std::int64_t given) { return given > 0 ? given : width; };
  const std::int64_t key = own(options.key_width), value = own(options.value_width);
  const auto weight = init::xavier_uniform();
  if (key == width && value == width) {
    in_weight_ = scope.parameter("in_proj_weight", {3 * width, width}, weight);
  } else {
    query_weight_ = scope.parameter("q_proj_weight", {width, width}, weight);
    key_weight_ = scope.parameter("k_proj_weight", {width, key}, weight);
    value_weight_ = scope.parameter("v_proj_weight", {width, value}, weight);
  }
  if (options.bias) in_bias_ = scope.parameter("in_proj_bias", {3 * width}, init::zeros());
  out_.emplace(scope / "out_proj", width, width, LinearOptions{.bias = false});
  if (options.bias) {
    out_->bias = (scope / "out_proj").parameter("bias", {width}, init::zeros());
  }
}

const Parameter& MultiheadAttention::own_weight(Part part) const {
  return part == Part::query ? query_weight_ : part == Part::key ? key_weight_ : value_weight_;
}

void MultiheadAttention::expect_shape(const Variable& x, Part part) const {
  const std::int64_t width = in_weight_.defined() ? width_ : own_weight(part).shape()[1];
  const Shape shape = x.shape();
  if (shape.rank() == 3 && shape[2] == width) return;
  throw ShapeError(fmt::format("got the {} {}; expected [{}, {}]",
                               part == Part::query ? "query"
                               : part == Part::key ? "key"
                                                   : "value",
                               to_string(shape), batch_first_ ? "batch, time" : "time, batch",
                               width));
}

Variable MultiheadAttention::projected(const Variable& x, Part part) const {
  const auto i = static_cast<std::int64_t>(part);
  const auto own_rows = [&](const Parameter& all) {
    return slice(use_like(x, all), 0, i * width_, (i + 1) * width_);
  };
  const Variable weight =
      in_weight_.defined() ? own_rows(in_weight_) : use_like(x, own_weight(part));
  const Variable y = in_bias_.defined() ? unroll::linear(x, weight, own_rows(in_bias_))
                                        : unroll::linear(x, weight);
  const Shape shape = y.shape();
  const Variable split = reshape(y, {shape[0], shape[1], heads_, width_ / heads_});
  return batch_first_ ? permute(split, {0, 2, 1, 3}) : permute(split, {1, 2, 0, 3});
}

MultiheadMemory MultiheadAttention::prepare(const Variable& key, const Variable& value,
                                            const Lengths& lengths, Location at) const {
  return recorded({key, value}, at, "MultiheadAttention", [&]() -> MultiheadMemory {
    expect_shape(key, Part::key);
    expect_shape(value, Part::value);
    if (key.shape().without(2) != value.shape().without(2)) {
      throw ShapeError(fmt::format("got keys {} and values {}; expected as many",
                                   to_string(key.shape()), to_string(value.shape())));
    }
    const SequenceMask real(key, lengths, batch_first_);
    const Variable clean = real(key);
    const Variable clean_value = value.same_node(key) ? clean : real(value);
    return {projected(clean, Part::key), projected(clean_value, Part::value), real.of_keys()};
  });
}

MultiheadMemory MultiheadAttention::empty(const Variable& like, std::int64_t batch) const {
  const Variable nothing = zeros_like(like, {batch, heads_, 0, width_ / heads_});
  return {nothing, nothing, {}};
}

MultiheadAttended MultiheadAttention::attend(const Variable& query, const MultiheadMemory& memory,
                                             const MultiheadAttendOptions& options,
                                             Location at) const {
  return recorded(
      {query, memory.keys, memory.values, memory.mask, options.mask}, at, "MultiheadAttention",
      [&]() -> MultiheadAttended {
        expect_shape(query, Part::query);
        const std::int64_t head_width = width_ / heads_;
        const double scale = 1 / std::sqrt(static_cast<double>(head_width));
        const Variable q = projected(query, Part::query) * scale;
        const Variable scores = matmul(q, transpose(memory.keys, 2, 3));
        const std::int64_t batch = scores.shape()[0], steps = scores.shape()[2];
        Variable mask = both(memory.mask, options.mask);
        if (options.causal) {
          mask = both(mask, input_like(query, causal_mask(steps, scores.shape()[3])));
        }
        const Variable weights = mask.defined() ? masked_softmax(scores, mask) : softmax(scores);
        const Variable heads =
            matmul(dropout(weights, dropout_), memory.values);  // [B, heads, T, d]
        const Variable joined = batch_first_
                                    ? reshape(permute(heads, {0, 2, 1, 3}), {batch, steps, width_})
                                    : reshape(permute(heads, {2, 0, 1, 3}), {steps, batch, width_});
        return {(*out_)(joined), weights};
      });
}

MultiheadAttended MultiheadAttention::operator()(const Variable& query, const Variable& key,
                                                 const Variable& value,
                                                 const MultiheadOptions& options,
                                                 Location at) const {
  return recorded({query, key, value}, at, "MultiheadAttention", [&] {
    return attend(query, prepare(key, value, options.key_lengths, at),
                  {.mask = options.mask, .causal = options.causal}, at);
  });
}

}  // namespace unroll::nn
