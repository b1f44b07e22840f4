// Shapes: limits, axes, broadcasting.
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/shape.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

TEST_CASE("a shape knows its rank, extents and size", "[shape]") {
  const Shape scalar, vector{5}, cube{2, 3, 4};
  CHECK(scalar.rank() == 0);
  CHECK(scalar.size() == 1);
  CHECK(vector.size() == 5);
  CHECK(cube.rank() == 3);
  CHECK(cube.size() == 24);
  CHECK(cube[1] == 3);
  CHECK(cube.extent(-1) == 4);
  CHECK(cube.product(1, 3) == 12);
  CHECK(cube.product(2, 2) == 1);
  CHECK(to_string(scalar) == "[]");
  CHECK(to_string(cube) == "[2, 3, 4]");
}

TEST_CASE("shapes are equal if rank and extents are", "[shape]") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2} == Shape{2, 1});
  CHECK_FALSE(Shape{} == Shape{0});
  // What `without` leaves behind must not count.
  CHECK(Shape{2, 3}.without(1) == Shape{2});
}

TEST_CASE("zero extents make an empty shape", "[shape]") {
  CHECK(Shape{0}.size() == 0);
  CHECK(Shape{3, 0, 5}.size() == 0);
  CHECK(Shape{3, 0, 5}.product(0, 1) == 3);
  // An extent of 0 hides no overflow: other ops take the product of the rest.
  CHECK_THROWS_AS((Shape{0, 1LL << 31, 1LL << 31}), ShapeError);
}

TEST_CASE("negative extents, overflowing products and too many axes are refused", "[shape]") {
  CHECK_THROWS_AS(Shape{-1}, ShapeError);
  CHECK_THROWS_AS((Shape{2, std::numeric_limits<std::int64_t>::min()}), ShapeError);
  CHECK_THROWS_AS(Shape{1LL << 62}, ShapeError);
  CHECK_THROWS_AS((Shape{1LL << 31, 1LL << 31}), ShapeError);
  CHECK_THROWS_AS((Shape{1LL << 32, 1LL << 32}), ShapeError);  // 2^64, 0 if it wrapped
  CHECK_THROWS_AS((Shape{std::numeric_limits<std::int64_t>::max(), 2}), ShapeError);
  CHECK_THROWS_AS((Shape{(1LL << 48) + 1}), ShapeError);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1}), ShapeError);
  // 32-bit limits are no limits.
  CHECK(Shape{1LL << 31}.size() == 1LL << 31);
  CHECK((Shape{1LL << 32}).size() == 1LL << 32);
  CHECK((Shape{1LL << 24, 1LL << 24}).size() == 1LL << 48);
  const std::string message = thrown_message([] { Shape{7, -3}; });
  CHECK(contains(message, "[7, -3]"));
}

TEST_CASE("axes count from both ends", "[shape]") {
  const Shape shape{2, 3, 4};
  CHECK(shape.normalized_axis(0) == 0);
  CHECK(shape.normalized_axis(-1) == 2);
  CHECK(shape.normalized_axis(-3) == 0);
  CHECK_THROWS_AS(shape.normalized_axis(3), ShapeError);
  CHECK_THROWS_AS(shape.normalized_axis(-4), ShapeError);
  CHECK_THROWS_AS(Shape{}.normalized_axis(0), ShapeError);
  CHECK(contains(thrown_message([&] { shape.extent(5); }), "axis 5"));
}

TEST_CASE("shapes derive from one another", "[shape]") {
  const Shape shape{2, 3, 4};
  CHECK(shape.with(1, 7) == Shape{2, 7, 4});
  CHECK(shape.without(0) == Shape{3, 4});
  CHECK(shape.without(2) == Shape{2, 3});
  CHECK(shape.inserted(0, 9) == Shape{9, 2, 3, 4});
  CHECK(shape.inserted(3, 9) == Shape{2, 3, 4, 9});
  CHECK(Shape{}.inserted(0, 1) == Shape{1});
  CHECK_THROWS_AS(shape.with(0, -1), ShapeError);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1}.inserted(0, 1)), ShapeError);
  CHECK_THROWS_AS((Shape{1LL << 47}.inserted(0, 4)), ShapeError);
}

TEST_CASE("broadcasting follows NumPy", "[shape]") {
  const auto check = [](const Shape& a, const Shape& b, const Shape& expected) {
    INFO(to_string(a) << " and " << to_string(b));
    CHECK(broadcastable(a, b));
    CHECK(broadcast(a, b) == expected);
    CHECK(broadcast(b, a) == expected);
  };
  check({}, {}, {});
  check({2, 3}, {}, {2, 3});
  check({2, 3}, {3}, {2, 3});
  check({2, 1}, {3}, {2, 3});
  check({2, 1}, {1, 3}, {2, 3});
  check({5, 1, 4}, {2, 1}, {5, 2, 4});
  check({0}, {1}, {0});
  check({3, 1}, {0}, {3, 0});
  check({1}, {1, 1}, {1, 1});

  for (const auto& [a, b] : {std::pair{Shape{2}, Shape{3}}, std::pair{Shape{2, 3}, Shape{2}},
                             std::pair{Shape{0}, Shape{2}}}) {
    CHECK_FALSE(broadcastable(a, b));
    const std::string message = thrown_message([&, x = a, y = b] { broadcast(x, y); });
    CHECK(contains(message, to_string(a)));
    CHECK(contains(message, to_string(b)));
  }
  // The common shape may be larger than either, up to the limit.
  CHECK_THROWS_AS(broadcast(Shape{1LL << 30, 1}, Shape{1, 1LL << 30}), ShapeError);
}

TEST_CASE("strides are row-major", "[shape]") {
  const auto strides = row_major_strides(Shape{2, 3, 4});
  CHECK(strides[0] == 12);
  CHECK(strides[1] == 4);
  CHECK(strides[2] == 1);
}
