// Pointwise ops on operands of different shapes and dtypes, against index arithmetic.
#include <array>
#include <cmath>
#include <cstdint>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Every shape up to rank 3 with extents 0 to 3.
std::vector<Shape> shapes_to_pair() {
  std::vector<Shape> shapes{Shape{}};
  for (std::size_t begin = 0, rank = 1; rank <= 3; ++rank) {
    const std::size_t end = shapes.size();
    for (; begin < end; ++begin) {
      for (std::int64_t extent = 0; extent <= 3; ++extent) {
        shapes.push_back(shapes[begin].inserted(0, extent));
      }
    }
  }
  return shapes;
}

/// Where element `index` of `whole` comes from in an operand of `shape`, by the definition.
std::int64_t source_of(std::int64_t index, const Shape& whole, const Shape& shape) {
  std::int64_t source = 0, stride = 1;
  for (int k = 1; k <= whole.rank(); ++k) {
    const std::int64_t extent = whole[whole.rank() - k], position = index % extent;
    index /= extent;
    if (k > shape.rank()) continue;
    const std::int64_t own = shape[shape.rank() - k];
    source += (own == 1 ? 0 : position) * stride;
    stride *= own;
  }
  return source;
}

/// y = a b + c with its gradients, for one pair of shapes; c has the shape of the result.
void check_pair(const Shape& shape_a, const Shape& shape_b, Dtype dtype) {
  INFO(to_string(shape_a) << " with " << to_string(shape_b) << " in " << name_of(dtype));
  const Tensor as = uniform(shape_a).to(dtype), bs = uniform(shape_b).to(dtype);
  Tape tape;
  const Variable a = tape.input(as), b = tape.input(bs);
  const Variable y = a * b;
  const Shape whole = broadcast(shape_a, shape_b);
  REQUIRE(y.shape() == whole);
  const Tensor weights = uniform(whole).to(dtype);
  const auto slopes = gradients(sum(y * tape.input(weights)), {a, b});
  std::vector<double> da(static_cast<std::size_t>(as.size())),
      db(static_cast<std::size_t>(bs.size()));
  const Tensor values = y.value();
  const double rounding = dtype == Dtype::float32 ? 1e-5 : 1e-13;
  bool right = true;
  for (std::int64_t i = 0; i < whole.size(); ++i) {
    const std::int64_t in_a = source_of(i, whole, shape_a), in_b = source_of(i, whole, shape_b);
    right = right && std::abs(values.at(i) - as.at(in_a) * bs.at(in_b)) <= rounding;
    da[static_cast<std::size_t>(in_a)] += weights.at(i) * bs.at(in_b);
    db[static_cast<std::size_t>(in_b)] += weights.at(i) * as.at(in_a);
  }
  CHECK(right);
  const Tensor got_a = slopes[0].value(), got_b = slopes[1].value();
  REQUIRE(got_a.shape() == shape_a);
  REQUIRE(got_b.shape() == shape_b);
  right = true;
  for (std::int64_t i = 0; i < as.size(); ++i) {
    right = right && std::abs(got_a.at(i) - da[static_cast<std::size_t>(i)]) <= rounding;
  }
  for (std::int64_t i = 0; i < bs.size(); ++i) {
    right = right && std::abs(got_b.at(i) - db[static_cast<std::size_t>(i)]) <= rounding;
  }
  CHECK(right);
}

}  // namespace

TEST_CASE("all pairs of shapes up to rank 3 broadcast by NumPy's rule, or are refused", "[ops]") {
  const std::vector<Shape> shapes = shapes_to_pair();
  REQUIRE(shapes.size() == 85);
  int accepted = 0;
  for (const Shape& a : shapes) {
    for (const Shape& b : shapes) {
      if (broadcastable(a, b)) {
        check_pair(a, b, accepted++ % 2 == 0 ? Dtype::float32 : Dtype::float64);
        continue;
      }
      Tape tape;
      const Variable x = tape.input(Tensor(a)), z = tape.input(Tensor(b));
      CHECK_THROWS_AS(x + z, ShapeError);
      CHECK(tape.size() == 2);
    }
  }
  // Of two extents from {0, 1, 2, 3}, 10 of 16 pairs fit; an axis that one lacks has 4 extents.
  CHECK(accepted == 1111 + 2 * (4 + 40 + 400) + 2 * (16 + 160) + 2 * 64);
}

TEST_CASE("three operands and high ranks broadcast together", "[ops]") {
  Tape tape;
  const Shape whole{2, 1, 3, 2, 1, 2};
  const Tensor as = uniform({3, 1, 1, 2}), bs = uniform({2, 1, 1, 2, 1, 1}), cs = uniform({});
  const Variable condition = tape.input(as) > 0.0;
  const Tensor y = where(condition, tape.input(bs), tape.input(cs)).value();
  REQUIRE(y.shape() == whole);
  for (std::int64_t i = 0; i < whole.size(); ++i) {
    const bool chosen = as.at(source_of(i, whole, as.shape())) > 0;
    CHECK(y.at(i) == (chosen ? bs.at(source_of(i, whole, bs.shape())) : cs.at(0)));
  }
}

TEST_CASE("rows longer than a tile broadcast too", "[ops]") {
  Tape tape;
  const std::int64_t n = 1000;
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    const Tensor matrix = uniform({3, n}).to(dtype), row = uniform({n}).to(dtype);
    const Tensor column = uniform({3, 1}).to(dtype);
    const Tensor y = (tape.input(matrix) + tape.input(row) - tape.input(column)).value();
    bool right = true;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const double want = matrix.at(i) + row.at(i % n) - column.at(i / n);
      right = right && std::abs(y.at(i) - want) <= 1e-6;
    }
    CHECK(right);
  }
}

TEST_CASE("bool and int32 operands", "[ops]") {
  Tape tape;
  const Variable mask = tape.input(Tensor(Shape{3}, {true, false, true}));
  const Variable whole = tape.input(Tensor(Shape{3}, {7, -2, 5}));
  const Variable real = tape.input(Tensor(Shape{3}, {0.5f, 1.5f, 2.5f}));
  const Variable wide = tape.input(Tensor(Shape{3}, {0.5, 1.5, 2.5}));
  CHECK((mask * real).value().identical(Tensor(Shape{3}, {0.5f, 0.f, 2.5f})));
  CHECK((wide * mask).value().identical(Tensor(Shape{3}, {0.5, 0.0, 2.5})));
  CHECK((mask + mask).value().identical(Tensor(Shape{3}, {2.f, 0.f, 2.f})));
  CHECK((whole + whole).value().identical(Tensor(Shape{3}, {14, -4, 10})));
  CHECK((whole * mask).value().identical(Tensor(Shape{3}, {7, 0, 5})));
  CHECK((whole - 1.0).value().identical(Tensor(Shape{3}, {6, -3, 4})));
  CHECK((whole < 6.0).value().identical(Tensor(Shape{3}, {false, true, true})));
  CHECK(equal(whole, whole).value().identical(Tensor(Shape{3}, {true, true, true})));
  CHECK(where(mask, whole, -1.0).value().identical(Tensor(Shape{3}, {7, -1, 5})));
  CHECK_THROWS_AS(where(whole, real, 0.0), DtypeError);
}

TEST_CASE("a large int32 is exact", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {2147483646, -2147483647}));
  CHECK((x + 1.0).value().identical(Tensor(Shape{2}, {2147483647, -2147483646})));
  CHECK((x > 2147483645.0).value().identical(Tensor(Shape{2}, {true, false})));
}

TEST_CASE("no gradient flows into bool or int32", "[ops]") {
  Tape tape;
  const Variable mask = tape.input(Tensor(Shape{2}, {true, false}));
  const Variable x = tape.input(Tensor(Shape{2}, {3.0, 4.0}));
  CHECK(gradients(sum(x * mask), {x})[0].value().identical(Tensor(Shape{2}, {1.0, 0.0})));
  CHECK_THROWS_AS(gradients(sum(x * mask), {mask}), StateError);
}

TEST_CASE("errors name the user's line, the op and both operands", "[ops]") {
  Tape tape;
  const Variable a = tape.input(Tensor(Shape{2, 3})), b = tape.input(Tensor(Shape{2, 4}));
  const Variable wide = tape.input(Tensor(Shape{2, 3}, Dtype::float64));
  const Variable whole = tape.input(Tensor(Shape{2, 3}, Dtype::int32));
  const std::size_t before = tape.size();
  const auto here = [](int line) { return "broadcast_test.cpp:" + std::to_string(line) + ": "; };

  std::string message = thrown_message([&] { a + b; });
  CHECK(contains(message, here(__LINE__ - 1) + "add: "));
  CHECK(contains(message, "[2, 3] and [2, 4]"));
  message = thrown_message([&] { greater(a, b); });
  CHECK(contains(message, here(__LINE__ - 1) + "greater: "));
  CHECK(contains(message, "[2, 3] and [2, 4]"));
  message = thrown_message([&] { greater_equal(a, b); });
  CHECK(contains(message, here(__LINE__ - 1) + "greater_equal: "));
  CHECK(contains(message, "[2, 3] and [2, 4]"));
  message = thrown_message([&] { pow(a, b); });
  CHECK(contains(message, here(__LINE__ - 1) + "pow: "));
  message = thrown_message([&] { a* wide; });
  CHECK(contains(message, here(__LINE__ - 1) + "mul: operands are float32 and float64"));
  message = thrown_message([&] { whole / a; });
  CHECK(contains(message, here(__LINE__ - 1) + "div: operands are int32 and float32"));
  message = thrown_message([&] { clamp(a, 2, 1); });
  CHECK(contains(message, here(__LINE__ - 1) + "clamp: got low 2 and high 1"));
  message = thrown_message([&] { where(a > 0.0, a, wide); });
  CHECK(contains(message, here(__LINE__ - 1) + "where: "));
  CHECK_THROWS_AS(a * wide, DtypeError);
  CHECK_THROWS_AS(whole / a, DtypeError);
  CHECK(tape.size() <= before + 7);
}
