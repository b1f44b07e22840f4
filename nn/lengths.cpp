// Checks and masks.
#include <unroll/nn/lengths.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>

namespace unroll::nn {

namespace {

struct Extents {
  std::int64_t batch, steps;
};

Extents extents_of(const Tensor& ids) {
  if (ids.dtype() != Dtype::int32) {
    throw DtypeError(fmt::format("ids: got {}; expected int32", name_of(ids.dtype())));
  }
  if (ids.shape().rank() != 2) {
    throw ShapeError(
        fmt::format("ids: got shape {}; expected [batch, time]", to_string(ids.shape())));
  }
  return {ids.shape()[0], ids.shape()[1]};
}

}  // namespace

Lengths::Lengths(std::initializer_list<std::int32_t> lengths) try : values_(lengths) {
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, "Lengths");
}

Lengths::Lengths(const Tensor& lengths) try {
  if (lengths.shape().rank() != 1) {
    throw ShapeError(
        fmt::format("Lengths: got shape {}; expected [batch]", to_string(lengths.shape())));
  }
  const auto values = lengths.data<std::int32_t>();
  values_.emplace(values.begin(), values.end());
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, "Lengths");
}

void Lengths::check(std::int64_t batch, std::int64_t steps) const {
  if (!values_) return;
  if (static_cast<std::int64_t>(values_->size()) != batch) {
    throw ShapeError(fmt::format("got {} lengths for a batch of {}; expected one per sequence",
                                 values_->size(), batch));
  }
  // Rows of the batch are numbered in int32.
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (batch > 0 && steps > kMost / batch) {
    throw ShapeError(fmt::format("got {} sequences of {} steps; expected at most {} steps in all",
                                 batch, steps, kMost));
  }
  for (std::size_t b = 0; b < values_->size(); ++b) {
    if ((*values_)[b] < 0 || (*values_)[b] > steps) {
      throw ValueError(
          fmt::format("length {} of sequence {}; expected 0 to {}", (*values_)[b], b, steps));
    }
  }
}

std::vector<std::int32_t> Lengths::or_full(std::int64_t batch, std::int64_t steps) const {
  if (values_) return *values_;
  if (steps > std::numeric_limits<std::int32_t>::max()) {
    throw ShapeError(fmt::format("got {} steps; expected fewer than 2^31", steps));
  }
  return std::vector<std::int32_t>(static_cast<std::size_t>(batch),
                                   static_cast<std::int32_t>(steps));
}

bool Lengths::all_are(std::int64_t steps) const {
  return !values_ || std::ranges::all_of(*values_, [&](std::int32_t n) { return n == steps; });
}

Tensor length_mask(const Lengths& lengths, std::int64_t steps) {
  const std::vector<std::int32_t> values =
      blame_memory("length_mask", [&] { return lengths.values(); });
  const auto batch = static_cast<std::int64_t>(values.size());
  lengths.check(batch, steps);
  Tensor mask(Shape{batch, steps}, Dtype::bool_);
  const auto out = mask.mutable_data<bool>();
  for (std::int64_t b = 0; b < batch; ++b) {
    std::ranges::fill(out.subspan(static_cast<std::size_t>(b * steps),
                                  static_cast<std::size_t>(values[static_cast<std::size_t>(b)])),
                      true);
  }
  return mask;
}

Tensor time_first(const Tensor& ids) {
  const auto [batch, steps] = extents_of(ids);
  Tensor result = Tensor::uninitialized(Shape{steps, batch}, Dtype::int32);
  const auto from = ids.data<std::int32_t>();
  const auto to = result.mutable_data<std::int32_t>();
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < steps; ++t) {
      to[static_cast<std::size_t>(t * batch + b)] = from[static_cast<std::size_t>(b * steps + t)];
    }
  }
  return result;
}

Tensor columns(const Tensor& ids, std::int64_t begin, std::int64_t end) {
  const auto [batch, steps] = extents_of(ids);
  if (begin < 0 || begin > end || end > steps) {
    throw ShapeError(fmt::format("columns: got [{}, {}) of {}; expected a part of it", begin, end,
                                 to_string(ids.shape())));
  }
  Tensor result = Tensor::uninitialized(Shape{batch, end - begin}, Dtype::int32);
  const std::int32_t* from = ids.data<std::int32_t>().data() + begin;
  std::int32_t* to = result.mutable_data<std::int32_t>().data();
  for (std::int64_t b = 0; b < batch; ++b, from += steps) to = std::copy_n(from, end - begin, to);
  return result;
}

Lengths lengths_of(const Tensor& ids, std::int32_t pad) {
  const auto [batch, steps] = extents_of(ids);
  std::vector<std::int32_t> lengths = blame_memory("lengths_of", [rows = batch] {
    return std::vector<std::int32_t>(static_cast<std::size_t>(rows), 0);
  });
  const auto values = ids.data<std::int32_t>();
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto width = static_cast<std::size_t>(steps);
    if (values[k] != pad) lengths[k / width] = static_cast<std::int32_t>(k % width + 1);
  }
  return lengths;
}

}  // namespace unroll::nn
