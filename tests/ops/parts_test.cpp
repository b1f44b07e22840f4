// Ops that cut parts out and put them together, against index arithmetic: every dtype, ranks 0 to
// 6, empty tensors; what costs nothing; gradients.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/permute.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/ops/moved_elements.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("slice every way along every axis", "[ops]") {
  for (const Shape& shape : kShapes) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const std::int64_t n = shape[axis];
      for (const std::int64_t begin : {std::int64_t{0}, std::int64_t{1}, n - 1, -n - 2}) {
        for (const std::int64_t end : {n, n + 5, std::int64_t{-1}, std::int64_t{1}}) {
          for (const std::int64_t step : {1, 2, 3}) {
            const Dtype dtype = kDtypes[(axis + step) % 4];
            INFO(to_string(shape) << " along " << axis << " from " << begin << " to " << end
                                  << " by " << step);
            Tape tape;
            const Tensor x = counting(shape, dtype);
            const Variable y = slice(tape.input(x), axis - shape.rank(), begin, end, step);
            const std::int64_t first =
                std::clamp<std::int64_t>(begin < 0 ? begin + n : begin, 0, n);
            const std::int64_t last = std::clamp<std::int64_t>(end < 0 ? end + n : end, 0, n);
            const std::int64_t count = last > first ? (last - first + step - 1) / step : 0;
            REQUIRE(y.shape() == shape.with(axis, count));
            check_moved(y.value(), x, [&](Position p) {
              auto& at = p[static_cast<std::size_t>(axis)];
              at = first + at * step;
              return p;
            });
          }
        }
      }
    }
  }
}

TEST_CASE("select along every axis", "[ops]") {
  for (const Shape& shape : kShapes) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      for (std::int64_t index = -shape[axis]; index < shape[axis]; index += 3) {
        Tape tape;
        const Tensor x = counting(shape, kDtypes[axis % 4]);
        const Variable y = select(tape.input(x), axis, index);
        REQUIRE(y.shape() == shape.without(axis));
        check_moved(y.value(), x, [&](Position p) {
          p.insert(p.begin() + axis, index < 0 ? index + shape[axis] : index);
          return p;
        });
      }
    }
  }
}

TEST_CASE("contiguous parts cost nothing", "[ops]") {
  Tape tape;
  const Variable x = tape.input(counting({4, 3, 2}, Dtype::float32));
  CHECK(is_alias(slice(x, 0, 1, 3)));
  CHECK(is_alias(slice(x, 0, 3, 3)));
  CHECK(is_alias(slice(x, 0, 1, 2, 3)));
  CHECK(is_alias(select(x, 0, -1)));
  CHECK(is_alias(slice(select(x, 0, 1), 0, 1, 2)));
  CHECK(is_alias(slice(slice(x, 0, 2, 3), 1, 1, 3)));
  CHECK(!is_alias(slice(x, 0, 0, 4, 2)));
  CHECK(!is_alias(slice(x, 1, 0, 2)));
  CHECK(slice(x, 1, 0, 3).same_node(x));
  const Variable inner = slice(select(slice(x, 0, 1, 4), 0, 1), 0, 1, 3);
  CHECK(inner.value().identical(Tensor(Shape{2, 2}, {14.f, 15.f, 16.f, 17.f})));
}

TEST_CASE("concat joins parts of any extent", "[ops]") {
  for (const Dtype dtype : kDtypes) {
    for (const Shape& shape : {Shape{3}, Shape{2, 3}, Shape{0, 2}, Shape{2, 3, 4}}) {
      for (int axis = 0; axis < shape.rank(); ++axis) {
        Tape tape;
        const Tensor a = counting(shape, dtype), b = counting(shape.with(axis, 0), dtype),
                     c = counting(shape.with(axis, 5), dtype);
        const Variable whole =
            concat({tape.input(a), tape.input(b), tape.input(c)}, axis - shape.rank());
        const std::int64_t middle = shape[axis];
        REQUIRE(whole.shape() == shape.with(axis, middle + 5));
        CHECK(slice(whole, axis, 0, middle).value().identical(a));
        CHECK(slice(whole, axis, middle, middle + 5).value().identical(c));
      }
    }
  }
}

TEST_CASE("stack joins along a new axis", "[ops]") {
  for (const Dtype dtype : kDtypes) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 2}, Shape{2, 1, 2, 1, 2}}) {
      for (int axis = 0; axis <= shape.rank(); ++axis) {
        Tape tape;
        const Tensor a = counting(shape, dtype), b = Tensor(shape, dtype);
        const Variables parts{tape.input(a), tape.input(b), tape.input(a)};
        const Variable whole = stack(parts, axis - shape.rank() - 1);
        REQUIRE(whole.shape() == shape.inserted(axis, 3));
        CHECK(whole.value().identical(stack(parts, axis).value()));
        CHECK(select(whole, axis, 0).value().identical(a));
        CHECK(select(whole, axis, 1).value().identical(b));
        CHECK(select(whole, axis, 2).value().identical(a));
      }
    }
  }
}

TEST_CASE("split cuts into equal parts", "[ops]") {
  Tape tape;
  const Variable x = tape.input(counting({2, 6}, Dtype::int32));
  const Variables parts = split(x, 3, -1);
  REQUIRE(parts.size() == 3);
  CHECK(parts[1].value().identical(Tensor(Shape{2, 2}, {2, 3, 8, 9})));
  CHECK(concat(parts, 1).value().identical(x.value()));
  CHECK(split(x, 1, 0)[0].same_node(x));
  CHECK(split(tape.input(Tensor(Shape{0})), 4, 0)[3].shape() == Shape{0});
}

TEST_CASE("pad surrounds with a value", "[ops]") {
  for (const Shape& shape : kShapes) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const Dtype dtype = kDtypes[axis % 4];
      Tape tape;
      const Tensor x = counting(shape, dtype);
      const Tensor y = pad(tape.input(x), axis, 2, 1, 7).value();
      REQUIRE(y.shape() == shape.with(axis, shape[axis] + 3));
      bool right = true;
      for (std::int64_t i = 0; i < y.size(); ++i) {
        Position p = position_of(i, y.shape());
        auto& at = p[static_cast<std::size_t>(axis)];
        at -= 2;
        const bool inside = 0 <= at && at < shape[axis];
        const double fill = dtype == Dtype::bool_ ? 1 : 7;
        right = right && y.at(i) == (inside ? x.at(index_of(p, shape)) : fill);
      }
      CHECK(right);
    }
  }
}

TEST_CASE("pad refuses values that int32 does not hold", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{1}, {5}));
  const double lowest = INT32_MIN, highest = INT32_MAX;
  CHECK(pad(x, 0, 1, 0, lowest).value().identical(Tensor(Shape{2}, {INT32_MIN, 5})));
  CHECK(pad(x, 0, 0, 1, highest).value().identical(Tensor(Shape{2}, {5, INT32_MAX})));
  const std::size_t before = tape.size();
  for (const double value : {0.5, lowest - 1, highest + 1, 1e300, std::nan("")}) {
    INFO(value);
    CHECK_THROWS_AS(pad(x, 0, 1, 0, value), ValueError);
  }
  const std::string message = thrown_message([&] { pad(x, 0, 1, 1, 0.5); });
  const std::string line = "parts_test.cpp:" + std::to_string(__LINE__ - 1) + ": ";
  CHECK(contains(message, line + "pad: got 0.5 beside int32"));
  CHECK(tape.size() == before);
}

TEST_CASE("gradients of parts add up, with and without the accumulate pass", "[ops]") {
  const Tensor x = uniform({5, 2, 3});
  for (const bool accumulate : {true, false}) {
    Tape tape({.passes = {.accumulate = accumulate}});
    const Variable input = tape.input(x);
    Variable loss = tape.constant(0, Dtype::float64);
    for (std::int64_t t = 0; t < 5; ++t) {
      loss = loss + sum(square(select(input, 0, t)) * static_cast<double>(t + 1));
    }
    loss = loss + sum(square(slice(input, 2, 0, 3, 2))) + sum(slice(input, 1, 1, 2) * 3.0);
    const Variable slope = gradients(loss, {input})[0];
    evaluate({slope});
    const Tensor got = slope.value();
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const Position p = position_of(i, x.shape());
      double want = 2 * x.at(i) * static_cast<double>(p[0] + 1);
      if (p[2] != 1) want += 2 * x.at(i);
      if (p[1] == 1) want += 3;
      CHECK(got.at(i) == Approx(want));
    }
  }
}

namespace {

using Inputs = std::span<const Variable>;

const std::vector<std::vector<Tensor>> kMatrices{
    {uniform({3, 4})}, {uniform({1, 4})}, {uniform({3, 0})}};
const Samples kSliceRows{"slice", [](Inputs x) { return slice(x[0], 0, 1, 3); }, kMatrices};
const Samples kSliceColumns{"slice",
                            [](Inputs x) { return slice(x[0], -1, -3, 9, 2); },
                            {{uniform({3, 4})}, {uniform({0, 4})}}};
const Samples kSelectRow{"select", [](Inputs x) { return select(x[0], 0, -1); }, kMatrices};
const Samples kSelectColumn{
    "select", [](Inputs x) { return select(x[0], 1, 0); }, {{uniform({3, 4})}, {uniform({0, 4})}}};
const std::vector<std::vector<Tensor>> kThreeParts{
    {uniform({2, 3}), uniform({2, 3}), uniform({2, 3})},
    {uniform({1, 1}), uniform({1, 1}), uniform({1, 1})},
    {uniform({0, 3}), uniform({0, 3}), uniform({0, 3})}};
const Samples kConcatRows{"concat", [](Inputs x) { return concat(x, 0); }, kThreeParts};
const Samples kConcatColumns{"concat",
                             [](Inputs x) {
                               return concat({x[0], x[1], x[0]}, -1);
                             },
                             kThreeParts};
const Samples kStackFirst{"stack", [](Inputs x) { return stack(x); }, kThreeParts};
const Samples kStackLast{"stack", [](Inputs x) { return stack(x, -1); }, kThreeParts};
const Samples kStackScalars{
    "stack", [](Inputs x) { return stack(x); }, {{uniform({}), uniform({})}}};
const Samples kSplit{"slice",
                     [](Inputs x) { return split(x[0], 2, 1)[1] * split(x[0], 2, 1)[0]; },
                     {{uniform({2, 4})}, {uniform({2, 2, 0})}}};
const Samples kPad{"pad", [](Inputs x) { return pad(x[0], -1, 1, 2, 5); }, kMatrices};

}  // namespace
