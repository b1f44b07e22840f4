// Counting, and scores from the counts.
#include <unroll/train/confusion_matrix.h>

#include <fmt/format.h>

#include <unroll/autograd/error.h>

namespace unroll::train {

namespace {

double quotient(std::int64_t a, std::int64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes, std::optional<std::int32_t> ignore_index)
    : classes_(classes), ignore_index_(ignore_index) {
  constexpr std::int64_t kMost = 65536;  // a matrix of 32 GiB
  if (classes < 1 || classes > kMost) {
    throw ValueError(
        fmt::format("ConfusionMatrix: got {} classes; expected 1 to {}", classes, kMost));
  }
  counts_.resize(static_cast<std::size_t>(classes * classes));
}

void ConfusionMatrix::add(const Tensor& predicted, const Tensor& targets) {
  if (predicted.dtype() != Dtype::int32 || targets.dtype() != Dtype::int32) {
    throw DtypeError(fmt::format("ConfusionMatrix::add: got {} and {}; expected int32",
                                 name_of(predicted.dtype()), name_of(targets.dtype())));
  }
  if (predicted.shape() != targets.shape()) {
    throw ShapeError(fmt::format("ConfusionMatrix::add: got {} for targets {}; expected one shape",
                                 to_string(predicted.shape()), to_string(targets.shape())));
  }
  const auto expect_class = [&](std::int32_t id) {
    if (id >= 0 && id < classes_) return;
    throw ValueError(
        fmt::format("ConfusionMatrix::add: got class {}; expected 0 to {}", id, classes_ - 1));
  };
  const auto x = predicted.data<std::int32_t>(), y = targets.data<std::int32_t>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] == ignore_index_) continue;
    expect_class(x[i]);
    expect_class(y[i]);
  }
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] != ignore_index_) ++counts_[place(y[i], x[i])];
  }
}

std::int64_t ConfusionMatrix::count(std::int64_t target, std::int64_t predicted) const {
  if (target < 0 || target >= classes_ || predicted < 0 || predicted >= classes_) {
    throw ValueError(fmt::format("ConfusionMatrix: got classes {} and {}; expected 0 to {}", target,
                                 predicted, classes_ - 1));
  }
  return counts_[place(target, predicted)];
}

Tensor ConfusionMatrix::counts() const {
  const std::vector<double> values(counts_.begin(), counts_.end());
  return Tensor({classes_, classes_}, values);
}

ConfusionMatrix::Totals ConfusionMatrix::totals_of(std::int64_t index) const {
  Totals totals{count(index, index), 0, 0};
  for (std::int64_t other = 0; other < classes_; ++other) {
    totals.predicted += count(other, index);
    totals.targets += count(index, other);
  }
  return totals;
}

ClassScores ConfusionMatrix::scores_of(const Totals& totals) {
  return {quotient(totals.right, totals.predicted), quotient(totals.right, totals.targets),
          quotient(2 * totals.right, totals.predicted + totals.targets)};
}

double ConfusionMatrix::accuracy() const {
  std::int64_t right = 0, all = 0;
  for (std::int64_t k = 0; k < classes_; ++k) right += count(k, k);
  for (const std::int64_t n : counts_) all += n;
  return static_cast<double>(right) / static_cast<double>(all);
}

ClassScores ConfusionMatrix::of(std::int64_t index) const { return scores_of(totals_of(index)); }

ClassScores ConfusionMatrix::macro() const {
  ClassScores total;
  std::int64_t occurring = 0;
  for (std::int64_t k = 0; k < classes_; ++k) {
    const Totals totals = totals_of(k);
    if (totals.predicted + totals.targets == 0) continue;
    ++occurring;
    const ClassScores scores = scores_of(totals);
    total.precision += scores.precision;
    total.recall += scores.recall;
    total.f1 += scores.f1;
  }
  if (occurring == 0) return total;
  const auto n = static_cast<double>(occurring);
  return {total.precision / n, total.recall / n, total.f1 / n};
}

ClassScores ConfusionMatrix::micro() const {
  Totals all;
  for (std::int64_t k = 0; k < classes_; ++k) {
    const Totals totals = totals_of(k);
    all.right += totals.right;
    all.predicted += totals.predicted;
    all.targets += totals.targets;
  }
  return scores_of(all);
}

}  // namespace unroll::train
