#include <unroll/train/metrics.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::train;

namespace {

Tensor ids(const Shape& shape, std::initializer_list<std::int32_t> values) {
  return Tensor(shape, values);
}

}  // namespace

TEST_CASE("Accuracy is the share of targets that were found") {
  const Tensor scores(Shape{2, 2, 3}, {1., 3., 2., 5., 4., 6., 0., 0., 0., -1., -3., -2.});
  const Tensor targets = ids({2, 2}, {2, 2, 1, 2});
  Accuracy first, second({.top = 2}), third({.top = 3}), wide({.top = 9});
  CHECK(std::isnan(first.value()));
  for (Accuracy* accuracy : {&first, &second, &third, &wide}) accuracy->add(scores, targets);
  CHECK(first.value() == 0.25);
  CHECK(second.value() == 1);
  CHECK(third.value() == 1);
  CHECK(wide.value() == 1);
  first.add(scores.to(Dtype::float32), ids({2, 2}, {1, 2, 0, 0}));  // the first of equal scores
  CHECK(first.found() == 5);
  CHECK(first.count() == 8);
}

TEST_CASE("Accuracy among the top agrees with sorting") {
  const Tensor scores = random_normal({200, 7}, 5);
  std::vector<std::int32_t> targets;
  Random random(6);
  for (int i = 0; i < 200; ++i) targets.push_back(static_cast<std::int32_t>(random.below(7)));
  for (int top = 1; top <= 7; ++top) {
    int found = 0;
    for (std::int64_t r = 0; r < 200; ++r) {
      std::vector<std::int32_t> order(7);
      std::iota(order.begin(), order.end(), 0);
      std::ranges::sort(order, std::greater<>(),
                        [&](std::int32_t k) { return scores.at(r * 7 + k); });
      found += std::count(order.begin(), order.begin() + top, targets[static_cast<std::size_t>(r)]);
    }
    Accuracy accuracy({.top = top});
    accuracy.add(scores, Tensor(Shape{200}, targets));
    CHECK(accuracy.found() == found);
  }
}

TEST_CASE("Accuracy of tokens leaves pads out and finds no NaN") {
  Accuracy accuracy({.ignore_index = 0});
  accuracy.add_ids(ids({2, 3}, {4, 5, 9, 7, 0, 1}), ids({2, 3}, {4, 6, 0, 7, 1, 0}));
  CHECK(accuracy.count() == 4);
  CHECK(accuracy.value() == 0.5);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Accuracy all;
  all.add(Tensor(Shape{3, 2}, {nan, 1., 1., nan, nan, nan}), ids({3}, {0, 0, 1}));
  CHECK(all.found() == 1);
}

TEST_CASE("Accuracy refuses what does not fit and has then counted nothing") {
  Accuracy accuracy;
  const Tensor scores(Shape{2, 3});
  CHECK_THROWS_AS(Accuracy({.top = 0}), ValueError);
  CHECK_THROWS_AS(accuracy.add(scores, ids({3}, {0, 1, 2})), ShapeError);
  CHECK_THROWS_AS(accuracy.add(scores, Tensor(Shape{2})), DtypeError);
  CHECK_THROWS_AS(accuracy.add(scores.to(Dtype::int32), ids({2}, {0, 1})), DtypeError);
  CHECK_THROWS_AS(accuracy.add(scores, ids({2}, {0, 3})), ValueError);
  CHECK_THROWS_AS(accuracy.add_ids(ids({1}, {0}), ids({2}, {0, 1})), ShapeError);
  CHECK_THROWS_AS(accuracy.add_ids(scores, ids({2, 3}, {0, 1, 2, 0, 1, 2})), DtypeError);
  CHECK_THROWS_AS(Accuracy({.top = 2}).add_ids(ids({1}, {0}), ids({1}, {0})), StateError);
  CHECK(accuracy.count() == 0);
  CHECK(accuracy.found() == 0);
}

TEST_CASE("Perplexity is exp of the mean loss over all tokens") {
  Perplexity perplexity;
  CHECK(std::isnan(perplexity.value()));
  perplexity.add(3 * std::log(2.0), 3);
  perplexity.add(0, 0);
  perplexity.add(std::log(16.0), 1);
  CHECK(perplexity.mean_loss() == Approx(7 * std::log(2.0) / 4));
  CHECK(perplexity.value() == Approx(std::pow(2, 1.75)));
  CHECK(perplexity.count() == 4);
  CHECK_THROWS_AS(perplexity.add(1, -1), ValueError);
}

TEST_CASE("RegressionErrors worked by hand") {
  RegressionErrors errors;
  CHECK(std::isnan(errors.mse()));
  CHECK(std::isnan(errors.nrmse()));
  errors.add(Tensor(Shape{2}, {1., 4.}), Tensor(Shape{2}, {2., 2.}));
  errors.add(Tensor(Shape{1, 2}, {6.F, 5.F}), Tensor(Shape{1, 2}, {6., 8.}));
  CHECK(errors.count() == 4);
  CHECK(errors.mse() == 14.0 / 4);  // 1 + 4 + 0 + 9
  CHECK(errors.mae() == 6.0 / 4);
  CHECK(errors.rmse() == Approx(std::sqrt(3.5)));
  // Targets 2, 2, 6, 8: mean 4.5, squared deviations 6.25 6.25 2.25 12.25.
  CHECK(errors.nrmse() == Approx(std::sqrt(14.0 / 27)));
}

TEST_CASE("RegressionErrors: predicting the mean has nrmse 1, however large it is") {
  const Tensor targets = random_normal({1000}, 4, 1e7, 1);
  double mean = 0;
  for (std::int64_t i = 0; i < 1000; ++i) mean += targets.at(i) / 1000;
  RegressionErrors errors;
  errors.add(Tensor::full({1000}, mean, Dtype::float64), targets);
  CHECK(errors.nrmse() == Approx(1).epsilon(1e-8));
}

TEST_CASE("RegressionErrors leave masked steps out, NaN included") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RegressionErrors errors;
  errors.add(Tensor(Shape{2, 2, 2}, {1., 2., nan, nan, 3., 3., 0., 7.}),
             Tensor(Shape{2, 2, 2}, {1., 1., 0., 0., 5., 3., nan, nan}),
             Tensor(Shape{2, 2}, {true, false, true, false}));
  CHECK(errors.count() == 4);
  CHECK(errors.mse() == 5.0 / 4);
  errors.add(Tensor(Shape{0, 2}), Tensor(Shape{0, 2}), Tensor(Shape{0}, Dtype::bool_));
  CHECK(errors.count() == 4);
}

TEST_CASE("RegressionErrors refuse what does not fit") {
  RegressionErrors errors;
  const Tensor x(Shape{2, 3});
  CHECK_THROWS_AS(errors.add(x, Tensor(Shape{3, 2})), ShapeError);
  CHECK_THROWS_AS(errors.add(x.to(Dtype::int32), x), DtypeError);
  CHECK_THROWS_AS(errors.add(x, x, Tensor(Shape{3}, Dtype::bool_)), ShapeError);
  CHECK_THROWS_AS(errors.add(x, x, Tensor(Shape{2, 3, 1}, Dtype::bool_)), ShapeError);
  CHECK_THROWS_AS(errors.add(x, x, Tensor(Shape{2})), DtypeError);
  CHECK(errors.count() == 0);
}
