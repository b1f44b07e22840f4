// Embedding    y = the row of W that an id names
#pragma once

#include <cstdint>
#include <optional>

#include <unroll/nn/init.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

struct EmbeddingOptions {
  /// This id stands for no token: its vector is zero and stays zero, for it gets no gradient.
  std::optional<std::int32_t> padding_idx = std::nullopt;
  Scope::Initializer initializer = init::normal();
  /// The table stays as it is: a parameter that gets no gradient.
  bool frozen = false;
};

/// A table weight [count, width] of vectors, as in PyTorch at first standard normal.
struct Embedding {
  Parameter weight;
  std::optional<std::int32_t> padding_idx;
  bool frozen;

  Embedding(const LayerScope& scope, std::int64_t count, std::int64_t width,
            const EmbeddingOptions& options = {});

  /// int32 ids [...] -> [..., width]. An id outside [0, count) throws ValueError when computed.
  Variable operator()(const Variable& ids, Location at = Location::current()) const;
};

}  // namespace unroll::nn
