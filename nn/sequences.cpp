// The order of the rows, and moving rows there and back.
#include <unroll/nn/sequences.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include <unroll/autograd/error.h>
#include <unroll/nn/parameter.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/shaping.h>

namespace unroll::nn {

namespace {

Variable ids_like(const Variable& x, const Shape& shape, std::span<const std::int32_t> ids) {
  return input_like(x, Tensor(shape, ids));
}

}  // namespace

Sequences::Sequences(const Variable& x, const Lengths& lengths, bool batch_first)
    : batch_first_(batch_first) {
  const Shape shape = x.shape();
  if (shape.rank() < 2) {
    throw ShapeError(fmt::format("the inputs have shape {}; expected [{}, ...]", to_string(shape),
                                 batch_first ? "batch, time" : "time, batch"));
  }
  batch_ = shape[batch_first ? 0 : 1];
  steps_ = shape[batch_first ? 1 : 0];
  lengths.check(batch_, steps_);
  const Shape flat = shape.without(0).with(0, batch_ * steps_);
  if (lengths.all_are(steps_)) {
    rows_ = reshape(batch_first ? transpose(x, 0, 1) : x, flat);
    begins_.reserve(static_cast<std::size_t>(steps_) + 1);
    for (std::int64_t t = 0; t <= steps_; ++t) begins_.push_back(t * batch_);
  } else {
    record_order(reshape(x, flat), lengths.values());
  }
}

void Sequences::record_order(const Variable& x, const std::vector<std::int32_t>& lengths) {
  RecycledVector<std::int32_t> sequence_of(lengths.size()), rank_of(lengths.size());
  std::iota(sequence_of.begin(), sequence_of.end(), 0);
  const auto length_of = [&](std::int32_t b) { return lengths[static_cast<std::size_t>(b)]; };
  std::ranges::stable_sort(sequence_of, std::greater<>(), length_of);
  for (std::size_t k = 0; k < sequence_of.size(); ++k) {
    rank_of[static_cast<std::size_t>(sequence_of[k])] = static_cast<std::int32_t>(k);
  }

  RecycledVector<std::int32_t> place_of;  // of each row in x
  RecycledVector<std::int32_t> row_of(static_cast<std::size_t>(batch_ * steps_), -1);
  begins_.push_back(0);
  for (std::int32_t t = 0, longest = length_of(sequence_of.front()); t < longest; ++t) {
    for (const std::int32_t b : sequence_of) {
      if (length_of(b) <= t) break;
      const std::int64_t place = batch_first_ ? b * steps_ + t : t * batch_ + b;
      row_of[static_cast<std::size_t>(place)] = static_cast<std::int32_t>(place_of.size());
      place_of.push_back(static_cast<std::int32_t>(place));
    }
    begins_.push_back(static_cast<std::int64_t>(place_of.size()));
  }

  rows_ = take_rows(x, ids_like(x, {begins_.back()}, place_of));
  sequence_of_ = ids_like(x, {batch_}, sequence_of);
  rank_of_ = ids_like(x, {batch_}, rank_of);
  row_of_ = ids_like(x, batch_first_ ? Shape{batch_, steps_} : Shape{steps_, batch_}, row_of);
}

Variable Sequences::step(const Variable& rows, std::int64_t t) const {
  return slice(rows, 0, begin_of(t), begin_of(t + 1));
}

Variable Sequences::padded(const Variable& rows) const {
  if (ragged()) return take_rows(rows, row_of_);
  const Variable steps = reshape(rows, rows.shape().with(0, batch_).inserted(0, steps_));
  return batch_first_ ? transpose(steps, 0, 1) : steps;
}

Variable Sequences::scaled(const Variable& rows, const Variable& factors) const {
  if (!ragged()) {
    const Shape steps = rows.shape().with(0, batch_).inserted(0, steps_);
    return reshape(reshape(rows, steps) * factors, rows.shape());
  }
  std::vector<std::int32_t> ranks;
  for (std::int64_t t = 0; t < step_count(); ++t) {
    for (std::int64_t rank = 0; rank < active_at(t); ++rank) {
      ranks.push_back(static_cast<std::int32_t>(rank));
    }
  }
  return rows * take_rows(factors, ids_like(rows, {begins_.back()}, ranks));
}

Variable Sequences::longest_first(const Variable& value) const {
  if (!ragged()) return value;
  const Shape shape = value.shape();
  const bool one_for_all = shape.rank() > 0 && shape[0] == 1;
  const Variable all = one_for_all ? expand(value, shape.with(0, batch_)) : value;
  expect_rows("the initial state", all, batch_);
  return take_rows(all, sequence_of_);
}

Variable Sequences::as_given(const Variable& value) const {
  if (!ragged()) return value;
  expect_rows("the state", value, batch_);
  return take_rows(value, rank_of_);
}

Sequences Sequences::with(const Variable& rows) const {
  Sequences result = *this;
  result.rows_ = rows;
  return result;
}

}  // namespace unroll::nn
