// Masks and rows for pooling over time.
#include <unroll/nn/pooling.h>

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/parameter.h>
#include <unroll/nn/sequence_mask.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

namespace {

/// Outputs whose axes and lengths have been checked.
struct Steps {
  Variable x;
  int time_axis;
  std::int64_t count, batch;
  std::vector<std::int32_t> lengths;
  bool all_full;

  Steps(const Variable& outputs, const PoolOptions& options)
      : x(outputs), time_axis(options.batch_first ? 1 : 0) {
    const Shape shape = x.shape();
    if (shape.rank() < 2) {
      throw ShapeError(fmt::format("the outputs have shape {}; expected [{}, ...]",
                                   to_string(shape),
                                   options.batch_first ? "batch, time" : "time, batch"));
    }
    count = shape[time_axis];
    batch = shape[1 - time_axis];
    options.lengths.check(batch, count);
    all_full = options.lengths.all_are(count);
    lengths = options.lengths.or_full(batch, count);
  }

  Variable zeros() const { return zeros_like(x, x.shape().without(time_axis)); }
  /// One number or bool per sequence, to go with [B, ...].
  template <class F>
  Variable per_sequence(F of_length) const {
    using T = decltype(of_length(std::int32_t{}));
    Tensor values(Shape{batch}, std::is_same_v<T, bool> ? Dtype::bool_ : Dtype::float64);
    const auto out = values.template mutable_data<T>();
    for (std::size_t b = 0; b < lengths.size(); ++b) out[b] = of_length(lengths[b]);
    if constexpr (!std::is_same_v<T, bool>) values = values.to(x.dtype());
    return mask_for(input_like(x, values), zeros());
  }
  /// The outputs, with `number` at the padded steps.
  Variable with_pads(double number) const {
    return SequenceMask(x, lengths, time_axis == 1)(x, number);
  }
};

}  // namespace

Variable pool_last(const Variable& outputs, const PoolOptions& options, Location at) {
  return recorded(outputs, at, "pool_last", [&] {
    const Steps steps(outputs, options);
    if (steps.all_full && steps.count > 0) {
      return select(steps.x, steps.time_axis, steps.count - 1);
    }
    Tensor ids(Shape{steps.batch}, Dtype::int32);
    const auto out = ids.mutable_data<std::int32_t>();
    for (std::size_t b = 0; b < steps.lengths.size(); ++b) {
      const std::int64_t t = steps.lengths[b] - 1, row = static_cast<std::int64_t>(b);
      const std::int64_t place =
          steps.time_axis == 0 ? t * steps.batch + row : row * steps.count + t;
      out[b] = t < 0 ? -1 : static_cast<std::int32_t>(place);
    }
    const Shape rows = steps.x.shape().without(0).with(0, steps.count * steps.batch);
    return take_rows(reshape(steps.x, rows), input_like(steps.x, ids));
  });
}

Variable pool_mean(const Variable& outputs, const PoolOptions& options, Location at) {
  return recorded(outputs, at, "pool_mean", [&] {
    const Steps steps(outputs, options);
    if (steps.count == 0) return steps.zeros();
    if (steps.all_full) return mean(steps.x, steps.time_axis);
    return sum(steps.with_pads(0), steps.time_axis) *
           steps.per_sequence([](std::int32_t length) { return length > 0 ? 1.0 / length : 0.0; });
  });
}

Variable pool_max(const Variable& outputs, const PoolOptions& options, Location at) {
  return recorded(outputs, at, "pool_max", [&] {
    const Steps steps(outputs, options);
    if (steps.count == 0) return steps.zeros();
    if (steps.all_full) return max(steps.x, steps.time_axis);
    constexpr double kNever = -std::numeric_limits<double>::infinity();
    const Variable largest = max(steps.with_pads(kNever), steps.time_axis);
    // Where real steps are no larger than pads, these take no share: all real ones are -inf then.
    const Variable share =
        steps.per_sequence([](std::int32_t length) { return length > 0 ? 1.0 / length : 0.0; });
    const Variable among_real = sum(steps.with_pads(0), steps.time_axis) * share;
    return where(steps.per_sequence([](std::int32_t length) { return length > 0; }),
                 where(equal(largest, kNever), among_real, largest), 0.0);
  });
}

}  // namespace unroll::nn
