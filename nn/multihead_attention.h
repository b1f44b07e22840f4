// MultiheadAttention    head_i = softmax(Q_i K_i^T / sqrt(d)) V_i,    output = W_o [head_1; ...]
// with Q_i, K_i and V_i the i-th parts, d wide, of linear maps of query, key and value (Vaswani et
// al. 2017).
#pragma once

#include <cstdint>
#include <optional>

#include <unroll/nn/lengths.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/parameter.h>

namespace unroll::nn {

struct MultiheadAttentionOptions {
  std::int64_t key_width = 0;    ///< PyTorch's kdim; 0: as the query
  std::int64_t value_width = 0;  ///< PyTorch's vdim; 0: as the query
  double dropout = 0;            ///< of the weights, while training
  bool bias = true;
  bool batch_first = false;  ///< [B, T, ...] instead of [T, B, ...]
};

/// Keys and values that are ready to be attended to. A State: see state.h and decoder.h.
struct MultiheadMemory {
  Variable keys;    ///< [B, heads, S, d]
  Variable values;  ///< [B, heads, S, d]
  Variable mask;    ///< bool [B, 1, 1, S], false beyond the length; undefined: all true
};

/// The steps of `more`, which has no mask, behind those of `memory`, which has none either: for
/// decoding step by step. Throws StateError if there is a mask.
MultiheadMemory extended(const MultiheadMemory& memory, const MultiheadMemory& more);

struct MultiheadAttendOptions {
  /// bool, broadcast to [B, heads, T, S]: true where a query may look. Undefined: everywhere.
  Variable mask = {};
  /// The last query sees all S keys, the one before it all but the last, and so on.
  bool causal = false;
};

struct MultiheadOptions {
  Lengths key_lengths = {};  ///< keys beyond them have no influence and no gradient, NaN included
  Variable mask = {};        ///< as in MultiheadAttendOptions
  bool causal = false;       ///< as there
};

struct MultiheadAttended {
  Variable output;   ///< [T, B, E], or [B, T, E] if batch_first
  Variable weights;  ///< [B, heads, T, S], before dropout; mean(weights, 1) is their average
};

/// Parameters, names and first values are PyTorch's: in_proj_weight [3 E, E], or q_proj_weight,
/// k_proj_weight and v_proj_weight if there is a width of its own; in_proj_bias, out_proj.weight,
/// out_proj.bias. A query that may look nowhere gets weights 0 and the output out_proj.bias.
/// Throws ShapeError for a query, key or value of another shape than the functions name.
class MultiheadAttention {
 public:
  /// E = `width`, d = E / heads. Throws ValueError unless heads divide it.
  MultiheadAttention(const LayerScope& scope, std::int64_t width, std::int64_t heads,
                     const MultiheadAttentionOptions& options = {});

  /// key [S, B, key_width], value [S, B, value_width], or both [B, S, ...] if batch_first.
  MultiheadMemory prepare(const Variable& key, const Variable& value, const Lengths& lengths = {},
                          Location at = Location::current()) const;
  /// No steps, for `batch` sequences; tape and dtype are those of `like`.
  MultiheadMemory empty(const Variable& like, std::int64_t batch) const;
  /// query [T, B, E], or [B, T, E] if batch_first
  MultiheadAttended attend(const Variable& query, const MultiheadMemory& memory,
                           const MultiheadAttendOptions& options = {},
                           Location at = Location::current()) const;
  /// Both at once.
  MultiheadAttended operator()(const Variable& query, const Variable& key, const Variable& value,
                               const MultiheadOptions& options = {},
                               Location at = Location::current()) const;

 private:
  enum class Part : std::uint8_t { query, key, value };
  const Parameter& own_weight(Part part) const;
  void expect_shape(const Variable& x, Part part) const;
  /// x [T, B, ...] -> [B, heads, T, d]
  Variable projected(const Variable& x, Part part) const;

  std::int64_t width_, heads_;
  double dropout_;
  bool batch_first_;
  Parameter in_weight_, in_bias_;  ///< of all three, unless there are own weights
  Parameter query_weight_, key_weight_, value_weight_;
  std::optional<Linear> out_;
};

}  // namespace unroll::nn
