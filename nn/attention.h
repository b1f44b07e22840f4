// Attention: a query looks over the steps of a memory and takes back their weighted mean.
//
//   const auto memory = attention.prepare(encoder_outputs, mask);   // once per batch
//   const auto [context, weights] = attention(query, memory);       // at every step
#pragma once

#include <cstdint>

#include <unroll/autograd/location.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/parameter.h>

namespace unroll::nn {

/// What is attended to. The keys do not depend on the query, so they are computed once.
struct AttentionMemory {
  Variable values;  ///< [B, S, C], zero where masked
  Variable keys;    ///< [B, S, A]
  Variable mask;    ///< bool [B, S], false where there is nothing to see; undefined: all true
};

struct Attended {
  Variable context;  ///< [B, C]: sum_s weights_s values_s
  Variable weights;  ///< [B, S]: not negative, of sum 1; all 0 if the mask lets nothing through
};

/// What all kinds share, for kinds of one's own: the values where the mask (bool [B, S], or
/// undefined) is true, and 0 elsewhere, whatever stood there.
Variable visible(const Variable& values, const Variable& mask);
/// And from scores [B, S] of a query the softmax over what is visible, and the weighted mean.
Attended attend(const Variable& scores, const AttentionMemory& memory);

/// score = v . tanh(W query + U value): the additive attention of Bahdanau, Cho, Bengio (2015).
/// Parameters: query.weight [A, H], memory.weight [A, C], memory.bias [A], score [A].
class AdditiveAttention {
 public:
  AdditiveAttention(const LayerScope& scope, std::int64_t query, std::int64_t memory,
                    std::int64_t width);
  /// values [B, S, C]; what masked steps hold, NaN included, has no influence and no gradient.
  AttentionMemory prepare(const Variable& values, const Variable& mask = {},
                          Location at = Location::current()) const;
  /// query [B, H]
  Attended operator()(const Variable& query, const AttentionMemory& memory,
                      Location at = Location::current()) const;
  /// The same with `more` [B, S, A] added before the tanh, for kinds that know more.
  Attended operator()(const Variable& query, const AttentionMemory& memory, const Variable& more,
                      Location at = Location::current()) const;

 private:
  Linear query_, memory_;
  Parameter score_;
};

/// score = query . value, for H = C: the dot score of Luong, Pham, Manning (2015). If `scaled`,
/// divided by sqrt(H) as in Vaswani et al. (2017). No parameters.
class DotAttention {
 public:
  explicit DotAttention(bool scaled = false) : scaled_(scaled) {}
  AttentionMemory prepare(const Variable& values, const Variable& mask = {},
                          Location at = Location::current()) const;
  Attended operator()(const Variable& query, const AttentionMemory& memory,
                      Location at = Location::current()) const;

 private:
  bool scaled_;
};

/// score = query . W value: the general score of Luong, Pham, Manning (2015).
/// Parameter: memory.weight [H, C].
class GeneralAttention {
 public:
  GeneralAttention(const LayerScope& scope, std::int64_t query, std::int64_t memory);
  AttentionMemory prepare(const Variable& values, const Variable& mask = {},
                          Location at = Location::current()) const;
  Attended operator()(const Variable& query, const AttentionMemory& memory,
                      Location at = Location::current()) const;

 private:
  Linear memory_;
};

}  // namespace unroll::nn
