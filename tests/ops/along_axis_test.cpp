// What goes along an axis or undoes one: argmax, cumsum, sum_to.
#include <cmath>
#include <cstdint>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("argmax finds the first largest element", "[ops]") {
  Tape tape;
  const Tensor x(Shape{2, 3}, {1.f, 5.f, 5.f, 4.f, 2.f, 4.f});
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::int32}) {
    const Variable v = tape.input(x.to(dtype));
    CHECK(argmax(v, 1).value().identical(Tensor(Shape{2}, {1, 0})));
    CHECK(argmax(v, -1, true).value().identical(Tensor(Shape{2, 1}, {1, 0})));
    CHECK(argmax(v, 0).value().identical(Tensor(Shape{3}, {1, 0, 0})));
    CHECK(argmax(v, -2, true).value().identical(Tensor(Shape{1, 3}, {1, 0, 0})));
  }
  const Variable mask = tape.input(Tensor(Shape{3}, {false, true, true}));
  CHECK(argmax(mask, 0).item() == 1);
  CHECK(argmax(tape.input(Tensor(Shape{0, 3})), 1).shape() == Shape{0});
  CHECK_THROWS_AS(argmax(tape.input(Tensor(Shape{0, 3})), 0), ShapeError);
  const auto nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  CHECK(argmax(tape.input(Tensor(Shape{3}, {infinity, nan, nan})), 0).item() == 1);
  CHECK(argmax(tape.input(Tensor(Shape{2}, {-infinity, -infinity})), 0).item() == 0);
  CHECK(argmax(tape.input(Tensor(Shape{3, 1}, {1.0, std::nan(""), 2.0})), 0).item() == 1);
}

TEST_CASE("argmax of long rows", "[ops]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    for (const std::int64_t n : {1, 7, 16, 33, 1000}) {
      Tape tape;
      const Tensor x = uniform({2, n}).to(dtype);
      const Tensor y = argmax(tape.input(x), 1).value();
      for (std::int64_t row = 0; row < 2; ++row) {
        std::int64_t best = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          if (x.at(row * n + i) > x.at(row * n + best)) best = i;
        }
        CHECK(y.at(row) == static_cast<double>(best));
      }
    }
  }
}

TEST_CASE("cumsum along every axis", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}, {1.f, 2.f, 3.f, 10.f, 20.f, 30.f}));
  CHECK(cumsum(x, 1).value().identical(Tensor(Shape{2, 3}, {1.f, 3.f, 6.f, 10.f, 30.f, 60.f})));
  CHECK(cumsum(x, -2).value().identical(Tensor(Shape{2, 3}, {1.f, 2.f, 3.f, 11.f, 22.f, 33.f})));
  const Variable weights = tape.input(Tensor(Shape{2, 3}, {1.f, 2.f, 4.f, 1.f, 2.f, 4.f}));
  CHECK(gradients(sum(cumsum(x, 1) * weights), {x})[0].value().identical(
      Tensor(Shape{2, 3}, {7.f, 6.f, 4.f, 7.f, 6.f, 4.f})));
  for (const Shape& empty : {Shape{0, 3}, Shape{3, 0}}) {
    for (const int axis : {0, 1}) CHECK(cumsum(tape.input(Tensor(empty)), axis).shape() == empty);
    CHECK(cumsum(tape.input(Tensor(empty)), 0).value().size() == 0);
  }
}

TEST_CASE("sum_to undoes broadcasting", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}, {1.f, 2.f, 3.f, 4.f, 5.f, 6.f}));
  CHECK(sum_to(x, Shape{3}).value().identical(Tensor(Shape{3}, {5.f, 7.f, 9.f})));
  CHECK(sum_to(x, Shape{2, 1}).value().identical(Tensor(Shape{2, 1}, {6.f, 15.f})));
  CHECK(sum_to(x, Shape{}).item() == 21);
  CHECK(sum_to(x, Shape{2, 3}).same_node(x));
  CHECK_THROWS_AS(sum_to(x, Shape{2}), ShapeError);
  CHECK_THROWS_AS(sum_to(x, Shape{1, 2, 3}), ShapeError);
}

TEST_CASE("sum_to refuses what does not broadcast, whatever its size", "[ops]") {
  Tape tape;
  const Variable x = tape.input(uniform({2, 3}));
  CHECK_THROWS_AS(sum_to(x, {3, 2}), ShapeError);
  CHECK_THROWS_AS(sum_to(x, {2, 3, 1}), ShapeError);
  CHECK_THROWS_AS(sum_to(x, {6}), ShapeError);
  CHECK(sum_to(x, {1, 3}).shape() == Shape{1, 3});
}

namespace {

using Inputs = std::span<const Variable>;

const Samples kCumsum{"cumsum",
                      [](Inputs x) { return cumsum(x[0], -2); },
                      {{uniform({3, 2})}, {uniform({1, 2})}, {uniform({0, 2})}}};
const Samples kCumsumOfRow{"cumsum", [](Inputs x) { return cumsum(x[0], 0); }, {{uniform({4})}}};
const NoGradientOp kArgmax{"argmax", "positions are whole numbers"};

}  // namespace
