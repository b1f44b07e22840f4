// Scores, and the weighted mean that all kinds share.
#include <unroll/nn/attention.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

Variable visible(const Variable& values, const Variable& mask) {
  return mask.defined() ? where(mask_for(mask, values), values, 0.0) : values;
}

Attended attend(const Variable& scores, const AttentionMemory& memory) {
  const Variable weights =
      memory.mask.defined() ? masked_softmax(scores, memory.mask) : softmax(scores);
  const std::int64_t batch = scores.shape()[0], steps = scores.shape()[1];
  const Variable context = matmul(reshape(weights, {batch, 1, steps}), memory.values);
  return {reshape(context, {batch, memory.values.shape()[2]}), weights};
}

namespace {

void expect_query(const Variable& query, const AttentionMemory& memory) {
  const Shape q = query.shape(), v = memory.values.shape();
  if (q.rank() == 2 && v.rank() == 3 && q[0] == v[0]) return;
  throw ShapeError("got the query " + to_string(q) + " and the memory " + to_string(v) +
                   "; expected [batch, query] and [batch, steps, memory]");
}

/// The scope, before anything is made in it.
const LayerScope& checked(const LayerScope& scope, std::string_view kind, std::int64_t query,
                          std::int64_t memory, std::int64_t width) {
  detail::expect_sizes(kind, {{"query", query}, {"memory", memory}, {"width", width}});
  return scope;
}

/// The products of query [B, A] with keys [B, S, A]: [B, S]
Variable dot_scores(const Variable& query, const Variable& keys) {
  const Shape shape = keys.shape();
  const Variable column = reshape(query, {query.shape()[0], query.shape()[1], 1});
  return reshape(matmul(keys, column), {shape[0], shape[1]});
}

}  // namespace

AdditiveAttention::AdditiveAttention(const LayerScope& scope, std::int64_t query,
                                     std::int64_t memory, std::int64_t width)
    : query_(checked(scope, "AdditiveAttention", query, memory, width) / "query", query, width,
             {.bias = false}),
      memory_(scope / "memory", memory, width) {
  const double bound = 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(width, 1)));
  score_ = scope.parameter("score", {width}, init::uniform(-bound, bound));
}

AttentionMemory AdditiveAttention::prepare(const Variable& values, const Variable& mask,
                                           Location at) const {
  return recorded({values, mask}, at, "AdditiveAttention", [&]() -> AttentionMemory {
    const Variable clean = visible(values, mask);
    return {clean, memory_(clean), mask};
  });
}

Attended AdditiveAttention::operator()(const Variable& query, const AttentionMemory& memory,
                                       Location at) const {
  return (*this)(query, memory, Variable(), at);
}

Attended AdditiveAttention::operator()(const Variable& query, const AttentionMemory& memory,
                                       const Variable& more, Location at) const {
  return recorded({query, memory.keys, more}, at, "AdditiveAttention", [&] {
    expect_query(query, memory);
    const Variable projected = query_(query);
    Variable features = memory.keys + reshape(projected, projected.shape().inserted(1, 1));
    if (more.defined()) features = features + more;
    return attend(matmul(tanh(features), use_like(query, score_)), memory);
  });
}

AttentionMemory DotAttention::prepare(const Variable& values, const Variable& mask,
                                      Location at) const {
  return recorded({values, mask}, at, "DotAttention", [&]() -> AttentionMemory {
    const Variable clean = visible(values, mask);
    return {clean, clean, mask};
  });
}

Attended DotAttention::operator()(const Variable& query, const AttentionMemory& memory,
                                  Location at) const {
  return recorded({query, memory.keys}, at, "DotAttention", [&] {
    expect_query(query, memory);
    if (!scaled_) return attend(dot_scores(query, memory.keys), memory);
    const double scale = 1 / std::sqrt(static_cast<double>(query.shape()[1]));
    return attend(dot_scores(query * scale, memory.keys), memory);
  });
}

GeneralAttention::GeneralAttention(const LayerScope& scope, std::int64_t query, std::int64_t memory)
    : memory_(scope / "memory", memory, query, {.bias = false}) {}

AttentionMemory GeneralAttention::prepare(const Variable& values, const Variable& mask,
                                          Location at) const {
  return recorded({values, mask}, at, "GeneralAttention", [&]() -> AttentionMemory {
    const Variable clean = visible(values, mask);
    return {clean, memory_(clean), mask};
  });
}

Attended GeneralAttention::operator()(const Variable& query, const AttentionMemory& memory,
                                      Location at) const {
  return recorded({query, memory.keys}, at, "GeneralAttention", [&] {
    expect_query(query, memory);
    return attend(dot_scores(query, memory.keys), memory);
  });
}

}  // namespace unroll::nn
