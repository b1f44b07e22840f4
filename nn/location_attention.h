// Location-aware attention: a query also knows where the one before it looked.
//
//   Variable weights = attention.first(memory);
//   const auto [context, next] = attention(query, memory, weights);   // next: a part of the state
#pragma once

#include <cstdint>

#include <unroll/nn/attention.h>

namespace unroll::nn {

struct LocationAttentionOptions {
  std::int64_t filters = 10;
  std::int64_t window = 31;  ///< how many of the last weights a filter sees; odd
};

/// score_s = v . tanh(W query + U value_s + L f_s), where f_s holds for every filter its product
/// with the window of the last weights around s, zero beyond the ends: the hybrid attention of
/// Chorowski, Bahdanau, Serdyuk, Cho, Bengio (2015). Parameters: query.weight [A, H],
/// memory.weight [A, C], memory.bias [A], location.weight [A, filters],
/// filters [filters, window], score [A].
class LocationAttention {
 public:
  /// Throws ValueError unless the window is odd.
  LocationAttention(const LayerScope& scope, std::int64_t query, std::int64_t memory,
                    std::int64_t width, const LocationAttentionOptions& options = {});
  /// As AdditiveAttention::prepare.
  AttentionMemory prepare(const Variable& values, const Variable& mask = {},
                          Location at = Location::current()) const;
  /// The weights [B, S] before the first step: the same for all steps that are visible.
  Variable first(const AttentionMemory& memory) const;
  /// query [B, H], last weights [B, S]
  Attended operator()(const Variable& query, const AttentionMemory& memory, const Variable& last,
                      Location at = Location::current()) const;

 private:
  AdditiveAttention additive_;
  Linear location_;
  Parameter filters_;
};

}  // namespace unroll::nn
