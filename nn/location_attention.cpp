// The convolution is a product with the windows, which are rows that take_rows fetches.
#include <unroll/nn/location_attention.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll::nn {

namespace {

/// Before anything is made in it.
const LayerScope& checked(const LayerScope& scope, const LocationAttentionOptions& options) {
  detail::expect_sizes("LocationAttention", {{"filters", options.filters}});
  constexpr std::int64_t kWidest = std::int64_t{1} << 20;
  if (options.window < 1 || options.window > kWidest || options.window % 2 == 0) {
    throw ValueError(
        fmt::format("LocationAttention: got a window of {}; expected an odd number up to 2^20",
                    options.window));
  }
  return scope;
}

/// int32 [steps, window]: the steps around each step, -1 beyond the ends.
Tensor windows(std::int64_t steps, std::int64_t window) {
  Tensor result = Tensor::uninitialized({steps, window}, Dtype::int32);
  auto out = result.mutable_data<std::int32_t>().begin();
  for (std::int64_t s = 0; s < steps; ++s) {
    for (std::int64_t w = 0; w < window; ++w) {
      const std::int64_t at = s + w - window / 2;
      *out++ = at < 0 || at >= steps ? -1 : static_cast<std::int32_t>(at);
    }
  }
  return result;
}

}  // namespace

LocationAttention::LocationAttention(const LayerScope& scope, std::int64_t query,
                                     std::int64_t memory, std::int64_t width,
                                     const LocationAttentionOptions& options)
    : additive_(checked(scope, options), query, memory, width),
      location_(scope / "location", options.filters, width, {.bias = false}) {
  const double side = 1 / std::sqrt(static_cast<double>(options.window));
  filters_ =
      scope.parameter("filters", {options.filters, options.window}, init::uniform(-side, side));
}

AttentionMemory LocationAttention::prepare(const Variable& values, const Variable& mask,
                                           Location at) const {
  return additive_.prepare(values, mask, at);
}

Variable LocationAttention::first(const AttentionMemory& memory) const {
  const Shape shape = memory.values.shape();
  const Variable equal = zeros_like(memory.values, {shape[0], shape[1]});
  return memory.mask.defined() ? masked_softmax(equal, memory.mask) : softmax(equal);
}

Attended LocationAttention::operator()(const Variable& query, const AttentionMemory& memory,
                                       const Variable& last, Location at) const {
  return recorded({query, memory.keys, last}, at, "LocationAttention", [&] {
    const Variable around = input_like(last, windows(last.shape().extent(1), filters_.shape()[1]));
    const Variable seen = take_rows(transpose(last, 0, 1), around);     // [S, window, B]
    const Variable features = matmul(use_like(last, filters_), seen);   // [S, filters, B]
    const Variable of_place = location_(permute(features, {2, 0, 1}));  // [B, S, A]
    return additive_(query, memory, of_place, at);
  });
}

}  // namespace unroll::nn
