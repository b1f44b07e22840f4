// take_rows: any rank and dtype, missing rows, dense gradients, errors.
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

Tensor ids(const Shape& shape, std::initializer_list<std::int32_t> values) {
  return Tensor(shape, values);
}

const Samples kTakeRows{"take_rows",
                        [](std::span<const Variable> x) { return take_rows(x[0], x[1]); },
                        {{uniform({4, 3}), ids({4}, {2, 0, 3, 1})},
                         {uniform({3, 2, 2}), ids({2, 3}, {-1, 2, 2, 0, -1, 2})},
                         {uniform({3}), ids({2}, {1, -1})},
                         {uniform({3, 2}), ids({}, {1})},
                         {uniform({3, 2}), Tensor(Shape{0}, Dtype::int32)},
                         {uniform({0, 2}), ids({2}, {-1, -1})},
                         {uniform({3, 0}), ids({2}, {1, -1})}}};

}  // namespace

TEST_CASE("take_rows moves rows of every rank and dtype; -1 is a row of zeros", "[ops]") {
  Tape tape;
  const Variable which = tape.input(ids({2, 2}, {2, -1, 0, 2}));
  const Variable x = tape.input(ids({3, 2}, {1, 2, 3, 4, 5, 6}));
  CHECK(take_rows(x, which).value().identical(ids({2, 2, 2}, {5, 6, 0, 0, 1, 2, 5, 6})));
  const Variable flags = tape.input(Tensor(Shape{3}, {true, true, true}));
  CHECK(take_rows(flags, which).value().identical(Tensor(Shape{2, 2}, {true, false, true, true})));
  const Variable wide = tape.input(Tensor(Shape{1, 1, 2}, {0.5, -0.5}));
  CHECK(take_rows(wide, tape.input(ids({1}, {0}))).value().identical(wide.value()));
}

TEST_CASE("rows that are not taken get and give nothing, not even NaN", "[ops]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 1}, {1.F, nan, 3.F}));
  const Variable y = take_rows(x, tape.input(ids({3}, {2, -1, 0})));
  CHECK(y.value().identical(Tensor(Shape{3, 1}, {3.F, 0.F, 1.F})));
  const Variable cotangent = tape.input(Tensor(Shape{3, 1}, {5.F, nan, 7.F}));
  const Variables outputs{y}, cotangents{cotangent}, wrt{x};
  const Tensor dx = vector_jacobian_product(outputs, cotangents, wrt)[0].value();
  CHECK(dx.identical(Tensor(Shape{3, 1}, {7.F, 0.F, 5.F})));
}

TEST_CASE("the gradients of several uses of rows add up, densely", "[ops]") {
  ParameterSet parameters(0);
  const Parameter table = parameters.create("table", Tensor(Shape{3, 1}, {1.F, 2.F, 3.F}));
  Tape tape;
  const Variable a = take_rows(table, tape.input(ids({3}, {0, 0, 2})));
  const Variable b = take_rows(table, tape.input(ids({1}, {2})));
  const Gradients found = gradients(sum(a) + sum(b * 10.0), parameters);
  REQUIRE(found.find(0) != nullptr);
  CHECK(found.find(0)->dense.has_value());
  CHECK(found[table].identical(Tensor(Shape{3, 1}, {2.F, 0.F, 11.F})));
}

TEST_CASE("take_rows says what is wrong", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 2}));
  for (const std::int32_t id : {-2, 3}) {
    const Variable which = tape.input(ids({2}, {1, id}));
    const std::string message = thrown_message([&] { take_rows(x, which).value(); });
    CHECK(contains(message, "take_rows_test.cpp:"));
    CHECK(contains(message, "got row " + std::to_string(id) + " at [1]"));
    CHECK_THROWS_AS(take_rows(x, which).value(), ValueError);
  }
  CHECK_THROWS_AS(take_rows(x, x), DtypeError);
  CHECK_THROWS_AS(take_rows(tape.constant(1), tape.input(ids({1}, {0}))), ShapeError);
}
