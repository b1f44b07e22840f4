// Ops that turn, reverse and reshape, against index arithmetic: every dtype, ranks 0 to 6, empty
// tensors; what costs nothing; gradients. Parts of tensors are in parts_test.cpp.
#include <algorithm>
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
const Samples kFlip{"flip",
                    [](Inputs x) { return flip(x[0], -2); },
                    {{uniform({3, 4})}, {uniform({1, 4})}, {uniform({3, 0})}}};

}  // namespace
