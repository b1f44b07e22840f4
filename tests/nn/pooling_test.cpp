// Pooling over time: values, gradients, pads, layouts.
#include <unroll/nn/pooling.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/check_gradients.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

namespace {

constexpr std::int64_t kSteps = 4, kBatch = 3, kWidth = 2;
const std::vector<std::int32_t> kLengths{2, 4, 0};

using Pool = std::function<Variable(const Variable&, const nn::PoolOptions&)>;
const Pool kLast = [](const Variable& x, const nn::PoolOptions& o) { return nn::pool_last(x, o); };
const Pool kMean = [](const Variable& x, const nn::PoolOptions& o) { return nn::pool_mean(x, o); };
const Pool kMax = [](const Variable& x, const nn::PoolOptions& o) { return nn::pool_max(x, o); };

/// x [T, B, W] with `pad` beyond the lengths.
Tensor with_pads(double pad) {
  Tensor x = random_uniform({kSteps, kBatch, kWidth}, 5, -1, 1, Dtype::float64);
  const auto values = x.mutable_data<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto t = static_cast<std::int32_t>(i / (kBatch * kWidth));
    if (t >= kLengths[i / kWidth % kBatch]) values[i] = pad;
  }
  return x;
}

/// The numbers of element i of sequence b at its real steps.
std::vector<double> series(const Tensor& x, std::int64_t b, std::int64_t i) {
  std::vector<double> result;
  for (std::int32_t t = 0; t < kLengths[static_cast<std::size_t>(b)]; ++t) {
    result.push_back(x.at((t * kBatch + b) * kWidth + i));
  }
  return result;
}

void check(const Pool& pool, const std::function<double(const std::vector<double>&)>& expected) {
  for (const double pad :
       {9.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    INFO("pads hold " << pad);
    const Tensor values = with_pads(pad);
    Tape tape;
    const Variable x = tape.input(values);
    const Variable y = pool(x, {.lengths = kLengths});
    REQUIRE(y.shape() == Shape{kBatch, kWidth});
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (std::int64_t i = 0; i < kWidth; ++i) {
        const auto numbers = series(values, b, i);
        CHECK(y.value().at(b * kWidth + i) == Approx(numbers.empty() ? 0 : expected(numbers)));
      }
    }
    const Variable turned = pool(transpose(x, 0, 1), {.lengths = kLengths, .batch_first = true});
    CHECK(turned.value().identical(y.value()));

    const Tensor dx = gradients(sum(y), {x})[0].value();
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (std::int64_t i = 0; i < kWidth; ++i) {
        double total = 0;
        for (std::int32_t t = 0; t < kSteps; ++t) {
          const double g = dx.at((t * kBatch + b) * kWidth + i);
          if (t >= kLengths[static_cast<std::size_t>(b)]) CHECK(g == 0);
          total += g;
        }
        CHECK(total == Approx(b == 2 ? 0 : 1));
      }
    }
  }
  const Tensor full = random_uniform({kSteps, kBatch, kWidth}, 6, -1, 1, Dtype::float64);
  unroll::testing::check_gradients([&](std::span<const Variable> x) { return pool(x[0], {}); },
                                   {full});
  unroll::testing::check_gradients(
      [&](std::span<const Variable> x) { return pool(x[0], {.lengths = kLengths}); },
      {with_pads(9)});
}

}  // namespace

TEST_CASE("Pooling over the real steps of each sequence", "[nn]") {
  SECTION("last") {
    check(kLast, [](const std::vector<double>& x) { return x.back(); });
  }
  SECTION("mean") {
    check(kMean, [](const std::vector<double>& x) {
      double total = 0;
      for (const double v : x) total += v;
      return total / static_cast<double>(x.size());
    });
  }
  SECTION("max") {
    check(kMax, [](const std::vector<double>& x) { return *std::ranges::max_element(x); });
  }
}

TEST_CASE("Pooling full sequences, no steps, other ranks", "[nn]") {
  Tape tape;
  const Tensor values = with_pads(0.25).to(Dtype::float32);
  const Variable x = tape.input(values), none = tape.input(Tensor(Shape{0, kBatch, kWidth}));
  CHECK(nn::pool_last(x).value().identical(select(x, 0, kSteps - 1).value()));
  CHECK(nn::pool_mean(x).value().identical(mean(x, 0).value()));
  CHECK(nn::pool_max(x).value().identical(max(x, 0).value()));
  const Variable flat = select(x, 2, 0), deep = reshape(x, {kSteps, kBatch, kWidth, 1});
  for (const Pool& pool : {kLast, kMean, kMax}) {
    CHECK(pool(none, {}).value().identical(Tensor(Shape{kBatch, kWidth})));
    CHECK(pool(none, {.lengths = {0, 0, 0}}).value().identical(Tensor(Shape{kBatch, kWidth})));
    CHECK(pool(x, {.lengths = {4, 4, 4}}).value().identical(pool(x, {}).value()));
    const Tensor expected = pool(x, {.lengths = kLengths}).value();
    CHECK(expected.dtype() == Dtype::float32);
    CHECK(pool(deep, {.lengths = kLengths})
              .value()
              .identical(expected.reshaped({kBatch, kWidth, 1})));
    CHECK(pool(flat, {.lengths = kLengths}).value().at(1) == expected.at(kWidth));
  }
}

TEST_CASE("A NaN at a real step reaches the result", "[nn]") {
  Tensor values = with_pads(0);
  values.mutable_data<double>()[kWidth] = std::numeric_limits<double>::quiet_NaN();
  Tape tape;
  const Variable x = tape.input(values);
  CHECK(std::isnan(nn::pool_mean(x, {.lengths = kLengths}).value().at(kWidth)));
  CHECK(std::isnan(nn::pool_max(x, {.lengths = kLengths}).value().at(kWidth)));
  CHECK_FALSE(std::isnan(nn::pool_last(x, {.lengths = kLengths}).value().at(kWidth)));
}

TEST_CASE("Pooling says what is wrong, with the caller's line", "[nn]") {
  Tape tape;
  const Variable x = tape.input(with_pads(0));
  const auto message = thrown_message([&] { nn::pool_max(x, {.lengths = {1, 2}}); });
  CHECK(contains(message, "pooling_test.cpp:"));
  CHECK(contains(message, "pool_max: got 2 lengths for a batch of 3"));
  for (const Pool& pool : {kLast, kMean, kMax}) {
    CHECK_THROWS_AS(pool(x, {.lengths = {1, 2}}), ShapeError);
    CHECK_THROWS_AS(pool(x, {.lengths = {1, 2, 5}}), ValueError);
    CHECK_THROWS_AS(pool(tape.constant(1), {}), ShapeError);
  }
}

TEST_CASE("A maximum of -inf is shared by real steps only", "[nn]") {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  Tape tape;
  // Two sequences of two real steps and a pad; the first holds nothing else than -inf.
  const Variable x = tape.input(Tensor(Shape{3, 2, 1}, {kNever, 1.0, kNever, 2.0, 5.0, 5.0}));
  const Variable y = nn::pool_max(x, {.lengths = {2, 2}});
  CHECK(y.value().identical(Tensor(Shape{2, 1}, {kNever, 2.0})));
  const Variables outputs{y}, cotangents{tape.constant(1, Dtype::float64, {2, 1})}, wrt{x};
  const Tensor dx = vector_jacobian_product(outputs, cotangents, wrt)[0].value();
  CHECK(dx.identical(Tensor(Shape{3, 2, 1}, {0.5, 0.0, 0.5, 1.0, 0.0, 0.0})));
}

TEST_CASE("The largest of equal steps is that number, with pads and without", "[nn]") {
  Tape tape;
  for (const double number : {0.1, 0.3, 3e38}) {
    const Variable x = tape.input(Tensor::full({13, 2, 1}, number));
    const Tensor pooled = nn::pool_max(x, {.lengths = {12, 13}}).value();
    CHECK(pooled.identical(nn::pool_max(x).value()));
    CHECK(pooled.at(0) == static_cast<float>(number));
  }
}
