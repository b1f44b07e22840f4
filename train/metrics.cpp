// Counting.
#include <unroll/train/metrics.h>

#include <fmt/format.h>

#include <span>

#include <unroll/autograd/error.h>

namespace unroll::train {

namespace {

void expect_ids(const char* function, const Tensor& ids) {
  if (ids.dtype() == Dtype::int32) return;
  throw DtypeError(fmt::format("{}: got {} ids; expected int32", function, name_of(ids.dtype())));
}

void expect_floating(const char* function, const Tensor& x) {
  if (is_floating(x.dtype())) return;
  throw DtypeError(
      fmt::format("{}: got {}; expected float32 or float64", function, name_of(x.dtype())));
}

/// Are fewer than `top` scores higher than that of `target`, or equal and before it?
bool is_among(std::span<const double> scores, std::size_t target, int top) {
  const double own = scores[target];
  int rank = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    rank += scores[i] > own || (scores[i] == own && i < target);
  }
  return rank < top && !std::isnan(own);
}

}  // namespace

Accuracy::Accuracy(const AccuracyOptions& options) : options_(options) {
  if (options.top < 1) {
    throw ValueError(fmt::format("Accuracy: got top {}; expected 1 or more", options.top));
  }
}

void Accuracy::add(const Tensor& scores, const Tensor& targets) {
  expect_floating("Accuracy::add", scores);
  expect_ids("Accuracy::add", targets);
  const Shape& shape = scores.shape();
  if (shape.rank() == 0 || targets.shape() != shape.without(shape.rank() - 1)) {
    throw ShapeError(fmt::format(
        "Accuracy::add: got scores {} and targets {}; expected [..., classes] and [...]",
        to_string(shape), to_string(targets.shape())));
  }
  const std::int64_t classes = shape.extent(-1);
  const Tensor values = scores.to(Dtype::float64);
  std::span<const double> row = values.data<double>();
  std::int64_t count = 0, found = 0;
  for (const std::int32_t target : targets.data<std::int32_t>()) {
    const auto of_target = row.first(static_cast<std::size_t>(classes));
    row = row.subspan(static_cast<std::size_t>(classes));
    if (!counts(target)) continue;
    if (target < 0 || target >= classes) {
      throw ValueError(
          fmt::format("Accuracy::add: got target {}; expected 0 to {}", target, classes - 1));
    }
    ++count;
    found += is_among(of_target, static_cast<std::size_t>(target), options_.top);
  }
  count_ += count;
  found_ += found;
}

void Accuracy::add_ids(const Tensor& chosen, const Tensor& targets) {
  if (options_.top != 1) {
    throw StateError(fmt::format("Accuracy::add_ids: top is {}; expected 1", options_.top));
  }
  expect_ids("Accuracy::add_ids", chosen);
  expect_ids("Accuracy::add_ids", targets);
  if (chosen.shape() != targets.shape()) {
    throw ShapeError(fmt::format("Accuracy::add_ids: got ids {} and targets {}; expected one shape",
                                 to_string(chosen.shape()), to_string(targets.shape())));
  }
  const auto ids = chosen.data<std::int32_t>(), expected = targets.data<std::int32_t>();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!counts(expected[i])) continue;
    ++count_;
    found_ += ids[i] == expected[i];
  }
}

void Perplexity::add(double loss, std::int64_t tokens) {
  if (tokens < 0) {
    throw ValueError(fmt::format("Perplexity::add: got {} tokens; expected 0 or more", tokens));
  }
  loss_ += loss;
  tokens_ += tokens;
}

void RegressionErrors::add(const Tensor& predicted, const Tensor& targets) {
  Tensor mask(Shape{}, Dtype::bool_);
  mask.mutable_data<bool>()[0] = true;
  add(predicted, targets, mask);
}

void RegressionErrors::add(const Tensor& predicted, const Tensor& targets, const Tensor& mask) {
  expect_floating("RegressionErrors::add", predicted);
  expect_floating("RegressionErrors::add", targets);
  const Shape& shape = targets.shape();
  if (predicted.shape() != shape) {
    throw ShapeError(fmt::format("RegressionErrors::add: got {} for targets {}; expected one shape",
                                 to_string(predicted.shape()), to_string(shape)));
  }
  bool fits = mask.shape().rank() <= shape.rank();
  for (int a = 0; fits && a < mask.shape().rank(); ++a) fits = mask.shape()[a] == shape[a];
  if (!fits) {
    throw ShapeError(
        fmt::format("RegressionErrors::add: got a mask {} for {}; expected the first "
                    "axes of it",
                    to_string(mask.shape()), to_string(shape)));
  }
  const auto used = mask.data<bool>();
  const Tensor all_x = predicted.to(Dtype::float64), all_y = targets.to(Dtype::float64);
  const auto x = all_x.data<double>(), y = all_y.data<double>();
  const std::size_t width = used.empty() ? 1 : x.size() / used.size();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!used[i / width]) continue;
    const double error = x[i] - y[i];
    squares_ += error * error;
    magnitudes_ += std::abs(error);
    // Welford 1962: the sum of squares less the square of the sum would cancel.
    const double deviation = y[i] - target_mean_;
    target_mean_ += deviation / static_cast<double>(++count_);
    deviations_ += deviation * (y[i] - target_mean_);
  }
}

}  // namespace unroll::train
