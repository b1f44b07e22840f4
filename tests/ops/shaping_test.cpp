// Ops that move elements, against index arithmetic: every dtype, ranks 0 to 6, empty tensors; what
// costs nothing; gradients.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/permute.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Dtype kDtypes[] = {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::bool_};

/// 0, 1, 2, ... (for bool: 1 at every third place).
Tensor counting(const Shape& shape, Dtype dtype) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  std::iota(values.begin(), values.end(), 0.0);
  if (dtype == Dtype::bool_) {
    for (double& v : values) v = static_cast<int>(v) % 3 == 1;
  }
  return Tensor(shape, values).to(dtype);
}

using Position = std::vector<std::int64_t>;

Position position_of(std::int64_t index, const Shape& shape) {
  Position position(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = index % shape[axis];
    index /= shape[axis];
  }
  return position;
}

std::int64_t index_of(const Position& position, const Shape& shape) {
  std::int64_t index = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    index = index * shape[axis] + position[static_cast<std::size_t>(axis)];
  }
  return index;
}

/// Checks that every element of y is the element of x at the position `source(position in y)`.
void check_moved(const Tensor& y, const Tensor& x,
                 const std::function<Position(Position)>& source) {
  CHECK(y.dtype() == x.dtype());
  bool right = true;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const Position from = source(position_of(i, y.shape()));
    right = right && y.at(i) == x.at(index_of(from, x.shape()));
  }
  CHECK(right);
}

const std::vector<Shape> kShapes{
    {1},       {5},         {0},           {2, 3},          {1, 4},
    {3, 0},    {0, 3},      {17, 19},      {2, 3, 4},       {3, 1, 2},
    {2, 0, 3}, {33, 2, 18}, {2, 20, 1, 3}, {2, 1, 3, 2, 2}, {2, 3, 1, 2, 1, 3}};

/// Does computing this node run no kernel?
bool is_alias(const Variable& x) {
  const TapeState& state = x.state();
  const Node& node = state.nodes[x.index()];
  RecycledVector<const Type*> scratch;
  return node.op->alias_offset(signature_of(state, node, scratch), node.type) >= 0;
}

}  // namespace

TEST_CASE("permute into every order", "[ops]") {
  for (const Shape& shape : kShapes) {
    std::vector<int> order(static_cast<std::size_t>(shape.rank()));
    std::iota(order.begin(), order.end(), 0);
    int turn = 0;
    do {
      const Dtype dtype = kDtypes[turn++ % 4];
      INFO(to_string(shape) << " " << name_of(dtype) << ", permutation " << turn);
      Tape tape;
      const Tensor x = counting(shape, dtype);
      const Variable y = permute(tape.input(x), order);
      check_moved(y.value(), x, [&](const Position& p) {
        Position from(p.size());
        for (std::size_t k = 0; k < p.size(); ++k) from[static_cast<std::size_t>(order[k])] = p[k];
        return from;
      });
    } while (std::ranges::next_permutation(order).found);
  }
}

TEST_CASE("the shapes on the way to a permuted one do not count", "[ops]") {
  Tape tape;
  const Variable row = tape.constant(1, Dtype::float32, {1, std::int64_t{1} << 40});
  CHECK(transpose(row).shape() == Shape{std::int64_t{1} << 40, 1});
  CHECK(permute(row, {1, 0}).shape() == Shape{std::int64_t{1} << 40, 1});
}

TEST_CASE("permute and transpose of scalars, by negative axes, and undone", "[ops]") {
  Tape tape;
  const Variable scalar = tape.input(Tensor::scalar(3));
  CHECK(permute(scalar, {}).same_node(scalar));
  const Variable x = tape.input(counting({2, 3, 4}, Dtype::float32));
  CHECK(permute(x, {0, 1, -1}).same_node(x));
  CHECK(transpose(x, 1, 1).same_node(x));
  CHECK(transpose(x).value().identical(permute(x, {0, 2, 1}).value()));
  CHECK(transpose(x, 0, -1).value().identical(permute(x, {2, 1, 0}).value()));
  CHECK(permute(permute(x, {2, 0, 1}), {1, 2, 0}).value().identical(x.value()));
}

TEST_CASE("moving only extents of 1 costs nothing", "[ops]") {
  Tape tape;
  const Variable x = tape.input(counting({1, 4, 1, 3}, Dtype::float32));
  CHECK(is_alias(permute(x, {1, 0, 3, 2})));
  CHECK(is_alias(permute(tape.input(Tensor(Shape{2, 0, 3})), {2, 1, 0})));
  CHECK(!is_alias(permute(x, {3, 0, 1, 2})));
}

TEST_CASE("products recognise a transpose of the last two axes", "[ops]") {
  Tape tape;
  Variable source;
  const Variable x = tape.input(Tensor(Shape{2, 3, 4})), square = tape.input(Tensor(Shape{3, 3}));
  CHECK(is_transpose_of_last_axes(transpose(x), source));
  CHECK(source.same_node(x));
  CHECK(is_transpose_of_last_axes(permute(square, {1, 0}), source));
  CHECK(source.same_node(square));
  CHECK(!is_transpose_of_last_axes(x, source));
  CHECK(!is_transpose_of_last_axes(transpose(x, 0, 1), source));
  CHECK(!is_transpose_of_last_axes(permute(x, {1, 2, 0}), source));
  CHECK(!is_transpose_of_last_axes(reshape(x, {4, 6}), source));
  CHECK(source.same_node(square));
}

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
  const std::string line = "shaping_test.cpp:" + std::to_string(__LINE__ - 1) + ": ";
  CHECK(contains(message, line + "pad: got 0.5 beside int32"));
  CHECK(tape.size() == before);
}

TEST_CASE("flip reverses along every axis", "[ops]") {
  for (const Shape& shape : kShapes) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      Tape tape;
      const Tensor x = counting(shape, kDtypes[axis % 4]);
      check_moved(flip(tape.input(x), axis - shape.rank()).value(), x, [&](Position p) {
        auto& at = p[static_cast<std::size_t>(axis)];
        at = shape[axis] - 1 - at;
        return p;
      });
    }
  }
}

TEST_CASE("reshape and expand", "[ops]") {
  Tape tape;
  const Variable x = tape.input(counting({2, 6}, Dtype::int32));
  CHECK(reshape(x, {3, -1}).shape() == Shape{3, 4});
  CHECK(reshape(x, {-1}).value().identical(counting({12}, Dtype::int32)));
  CHECK(is_alias(reshape(x, {12})));
  CHECK(reshape(tape.input(Tensor::scalar(2)), {1, 1}).shape() == Shape{1, 1});
  CHECK(reshape(tape.input(Tensor(Shape{0, 3})), {3, 0}).shape() == Shape{3, 0});
  const Variable column = tape.input(Tensor(Shape{2, 1}, {1.f, 2.f}));
  CHECK(expand(column, Shape{2, 2, 2})
            .value()
            .identical(Tensor(Shape{2, 2, 2}, {1.f, 1.f, 2.f, 2.f, 1.f, 1.f, 2.f, 2.f})));
  CHECK_THROWS_AS(reshape(x, {5, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(x, {13}), ShapeError);
  CHECK_THROWS_AS(reshape(tape.input(Tensor(Shape{0})), {0, -1}), ShapeError);
  const std::int64_t huge = std::int64_t{1} << 40;
  CHECK_THROWS_AS(reshape(x, {huge, huge, -1}), ShapeError);
  CHECK(contains(thrown_message([&] { reshape(x, {huge, huge, -1}); }), "more than 2^48 elements"));
  CHECK_THROWS_AS(expand(column, Shape{3, 2}), ShapeError);
  CHECK_THROWS_AS(expand(column, Shape{2}), ShapeError);
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

TEST_CASE("shaping ops refuse what does not fit, naming the user's line", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3})), y = tape.input(Tensor(Shape{2, 4}));
  const Variable wide = tape.input(Tensor(Shape{2, 3}, Dtype::float64));
  const Variables none;
  const std::size_t before = tape.size();
  CHECK_THROWS_AS(permute(x, {0}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 2}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 0}), ValueError);
  CHECK_THROWS_AS(permute(x, {1, -1}), ValueError);
  CHECK_THROWS_AS(transpose(x, 0, 2), ShapeError);
  CHECK_THROWS_AS(transpose(select(x, 0, 0)), ShapeError);
  CHECK_THROWS_AS(slice(x, 2, 0, 1), ShapeError);
  CHECK_THROWS_AS(slice(x, 0, 0, 1, 0), ValueError);
  CHECK_THROWS_AS(select(x, 2, 0), ShapeError);
  CHECK_THROWS_AS(select(x, 0, 2), ValueError);
  CHECK_THROWS_AS(select(x, 0, -3), ValueError);
  CHECK_THROWS_AS(concat({x, y}, 0), ShapeError);
  CHECK_THROWS_AS(concat({x, y}, 2), ShapeError);
  CHECK_THROWS_AS(concat({x, wide}, 0), DtypeError);
  CHECK_THROWS_AS(concat(none, 0), ValueError);
  CHECK_THROWS_AS(stack({x, y}), ShapeError);
  CHECK_THROWS_AS(stack({x, x}, 3), ShapeError);
  CHECK_THROWS_AS(stack({x, x}, -4), ShapeError);
  CHECK_THROWS_AS(stack({x, wide}), DtypeError);
  CHECK_THROWS_AS(stack(none), ValueError);
  CHECK_THROWS_AS(split(x, 2, 1), ShapeError);
  CHECK_THROWS_AS(split(x, 0, 0), ValueError);
  CHECK_THROWS_AS(pad(x, 0, -1, 0), ValueError);
  CHECK_THROWS_AS(pad(x, 2, 1, 0), ShapeError);
  CHECK_THROWS_AS(pad(x, 0, INT64_MAX, INT64_MAX), ShapeError);
  CHECK_THROWS_AS(flip(x, -3), ShapeError);
  CHECK(tape.size() == before + 1);  // the select above

  const auto here = [](int line) { return "shaping_test.cpp:" + std::to_string(line) + ": "; };
  std::string message = thrown_message([&] { concat({x, y}, 0); });
  CHECK(contains(message, here(__LINE__ - 1) + "concat: part 0 is [2, 3] and part 1 is [2, 4]"));
  message = thrown_message([&] { stack({x, y}); });
  CHECK(contains(message, here(__LINE__ - 1) + "stack: part 0 is [2, 3] and part 1 is [2, 4]"));
  message = thrown_message([&] { select(x, 1, 7); });
  CHECK(contains(message, here(__LINE__ - 1) + "select: index 7 does not exist along axis 1"));
  message = thrown_message([&] { permute(x, {0}); });
  CHECK(contains(message, here(__LINE__ - 1) + "permute: got an order of 1 axes for shape [2, 3]"));
  message = thrown_message([&] { split(x, 2, 1); });
  CHECK(contains(message, here(__LINE__ - 1) + "split: axis 1 of [2, 3] cannot be cut into 2"));
}

namespace {

using Inputs = std::span<const Variable>;

const Samples kReshape{"reshape",
                       [](Inputs x) {
                         return reshape(x[0], {3, -1});
                       },
                       {{uniform({2, 3})}, {uniform({3})}}};
const Samples kExpand{"expand",
                      [](Inputs x) {
                        return expand(x[0], Shape{2, 2, 3});
                      },
                      {{uniform({2, 1})}, {uniform({})}, {uniform({3})}}};
const Samples kPermute{"permute",
                       [](Inputs x) {
                         return permute(x[0], {2, 0, 1});
                       },
                       {{uniform({2, 3, 2})}, {uniform({1, 3, 1})}, {uniform({2, 0, 3})}}};
const Samples kTranspose{
    "permute", [](Inputs x) { return transpose(x[0]); }, {{uniform({2, 3})}, {uniform({2, 1, 3})}}};
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
const Samples kFlip{"flip", [](Inputs x) { return flip(x[0], -2); }, kMatrices};

}  // namespace
