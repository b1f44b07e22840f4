#include <unroll/train/confusion_matrix.h>

#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::train;

namespace {

Tensor ids(std::initializer_list<std::int32_t> values) {
  return Tensor(Shape{static_cast<std::int64_t>(values.size())}, values);
}

void check_scores(const ClassScores& got, double precision, double recall, double f1) {
  CHECK(got.precision == Approx(precision));
  CHECK(got.recall == Approx(recall));
  CHECK(got.f1 == Approx(f1));
}

}  // namespace

TEST_CASE("ConfusionMatrix worked by hand") {
  ConfusionMatrix matrix(4);
  // Class 3 is never seen; class 2 is a target only.
  matrix.add(ids({0, 0, 1}), ids({0, 1, 1}));
  matrix.add(ids({0, 1, 0}), ids({0, 2, 0}));
  CHECK(matrix.counts().identical(
      Tensor(Shape{4, 4}, {3., 0., 0., 0., 1., 1., 0., 0., 0., 1., 0., 0., 0., 0., 0., 0.})));
  CHECK(matrix.count(1, 0) == 1);
  CHECK(matrix.count(2, 1) == 1);
  CHECK(matrix.accuracy() == 4.0 / 6);
  check_scores(matrix.of(0), 3.0 / 4, 1, 6.0 / 7);
  check_scores(matrix.of(1), 1.0 / 2, 1.0 / 2, 1.0 / 2);
  check_scores(matrix.of(2), 0, 0, 0);
  check_scores(matrix.of(3), 0, 0, 0);
  check_scores(matrix.macro(), (0.75 + 0.5) / 3, 1.5 / 3, (6.0 / 7 + 0.5) / 3);
  check_scores(matrix.micro(), 4.0 / 6, 4.0 / 6, 4.0 / 6);
}

TEST_CASE("ConfusionMatrix leaves pads out") {
  ConfusionMatrix matrix(2, 0);
  matrix.add(ids({1, 9, 0}), ids({1, 0, 1}));
  CHECK(matrix.count(0, 0) == 0);
  CHECK(matrix.accuracy() == 0.5);
  check_scores(matrix.of(1), 1, 0.5, 2.0 / 3);
}

TEST_CASE("ConfusionMatrix of nothing") {
  const ConfusionMatrix matrix(3);
  CHECK(std::isnan(matrix.accuracy()));
  check_scores(matrix.macro(), 0, 0, 0);
  check_scores(matrix.micro(), 0, 0, 0);
}

TEST_CASE("ConfusionMatrix refuses what does not fit and has then counted nothing") {
  ConfusionMatrix matrix(2);
  CHECK_THROWS_AS(ConfusionMatrix(0), ValueError);
  CHECK_THROWS_AS(matrix.add(ids({0}), ids({0, 1})), ShapeError);
  CHECK_THROWS_AS(matrix.add(Tensor(Shape{1}), ids({0})), DtypeError);
  CHECK_THROWS_AS(matrix.add(ids({0, 2}), ids({0, 1})), ValueError);
  CHECK_THROWS_AS(matrix.add(ids({0, 1}), ids({0, -1})), ValueError);
  CHECK_THROWS_AS(matrix.of(2), ValueError);
  CHECK_THROWS_AS(matrix.count(0, -1), ValueError);
  CHECK(std::isnan(matrix.accuracy()));
}
