// rows, gather, scatter_add, one_hot: against PyTorch, sparse gradients, indices out of range.
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

Tensor ids(const Shape& shape, std::initializer_list<std::int32_t> values) {
  return Tensor(shape, values);
}
Tensor no_ids(const Shape& shape) { return Tensor(shape, Dtype::int32); }

const Samples kRows{"rows",
                    [](std::span<const Variable> x) { return rows(x[0], x[1]); },
                    {{uniform({4, 3}), ids({5}, {1, 3, 1, 0, 1})},
                     {uniform({4, 2}), ids({2, 2}, {3, 3, 0, 2})},
                     {uniform({2, 3}), ids({}, {1})},
                     {uniform({3, 1}), ids({1}, {2})},
                     {uniform({3, 2}), no_ids({0})},
                     {uniform({0, 2}), no_ids({2, 0})},
                     {uniform({3, 0}), ids({2}, {1, 2})}}};

const Samples kGather{"gather",
                      [](std::span<const Variable> x) { return gather(x[0], 0, x[1]); },
                      {{uniform({4}), ids({6}, {3, 0, 0, 1, 3, 3})},
                       {uniform({3, 2}), ids({2, 2}, {0, 2, 2, 2})},
                       {uniform({3, 2}), ids({4, 1}, {0, 2, 1, 1})},
                       {uniform({3, 2}), no_ids({0, 2})}}};

const Samples kScatterAdd{
    "scatter_add",
    [](std::span<const Variable> x) { return scatter_add(x[0], -1, x[1], x[2]); },
    {{uniform({4}), ids({6}, {3, 0, 0, 1, 3, 3}), uniform({6})},
     {uniform({2, 3}), ids({2, 2}, {0, 2, 2, 2}), uniform({2, 2})},
     {uniform({2, 3}), ids({1, 2}, {0, 0}), uniform({3, 4})},
     {uniform({2, 3}), no_ids({2, 0}), uniform({2, 0})}}};

const NoGradientOp kOneHot{"one_hot", "its only operand are indices"};

}  // namespace

TEST_CASE("gather and scatter_add agree with PyTorch", "[ops]") {
  check_against_torch(
      "gather", [](const auto& options, auto x) { return gather(x[0], options.at("axis"), x[1]); });
  check_against_torch("scatter_add", [](const auto& options, auto x) {
    return scatter_add(x[0], options.at("axis"), x[1], x[2]);
  });
}

TEST_CASE("scatter_add takes a larger source from a parameter too", "[ops]") {
  ParameterSet parameters(0);
  const Parameter source = parameters.create("source", Tensor(Shape{2, 2}, {1.f, 2.f, 3.f, 4.f}));
  const Parameter start = parameters.create("start", Tensor(Shape{1, 3}, {10.f, 20.f, 30.f}));
  const Tensor expected(Shape{1, 3}, {10.f, 22.f, 31.f});
  Tape tape;
  const Variable index = tape.input(ids({1, 2}, {2, 1}));
  CHECK(scatter_add(start, 1, index, source).value().identical(expected));
  CHECK(scatter_add(tape.use(start), 1, index, source).value().identical(expected));
  const Variable loss = sum(scatter_add(start, 1, index, source));
  CHECK(gradients(loss, parameters)[source].identical(Tensor(Shape{2, 2}, {1.f, 1.f, 0.f, 0.f})));
}

TEST_CASE("a failed scatter_add leaves the tapes as they were", "[ops]") {
  ParameterSet parameters(0);
  const Parameter source = parameters.create("source", Tensor(Shape{2, 2}));
  Tape tape, other;
  const Variable x = tape.input(Tensor(Shape{1, 3}, Dtype::float64)), y = other.input(x.value());
  const Variable index = tape.input(ids({1, 2}, {2, 1}));
  const std::size_t before = tape.size(), before_other = other.size();
  CHECK_THROWS_AS(scatter_add(x, 1, index, source), DtypeError);
  CHECK_THROWS_AS(scatter_add(y, 1, index, source), StateError);
  CHECK_THROWS_AS(scatter_add(source, 1, index, other.input(Tensor(Shape{2, 2}))), StateError);
  CHECK_THROWS_AS(scatter_add(source, 1, source, source), StateError);
  CHECK(tape.size() == before);
  CHECK(other.size() == before_other + 1);  // the input above
}

TEST_CASE("gather moves elements of every dtype", "[ops]") {
  Tape tape;
  const Variable index = tape.input(ids({3}, {2, 0, 2}));
  const Variable x = tape.input(ids({3}, {7, 8, 9}));
  CHECK(gather(x, 0, index).value().identical(ids({3}, {9, 7, 9})));
  const Variable flags = tape.input(Tensor(Shape{3}, {true, false, false}));
  CHECK(gather(flags, 0, index).value().identical(Tensor(Shape{3}, {false, true, false})));
}

TEST_CASE("rows looks up the rows of a table, in any shape", "[ops]") {
  Tape tape;
  const Variable table = tape.input(Tensor(Shape{3, 2}, {0.f, 1.f, 10.f, 11.f, 20.f, 21.f}));
  const Tensor y = rows(table, tape.input(ids({2, 1, 2}, {2, 0, 1, 2}))).value();
  CHECK(y.identical(Tensor(Shape{2, 1, 2, 2}, {20.f, 21.f, 0.f, 1.f, 10.f, 11.f, 20.f, 21.f})));
  CHECK(rows(table, tape.input(ids({}, {1}))).shape() == Shape{2});
}

TEST_CASE("the gradient of a looked-up parameter holds its rows only", "[ops]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter table = parameters.create("table", random_normal(Shape{1000, 3}, 1));
  Tape tape;
  const Variable first = rows(table, tape.input(ids({2, 2}, {7, 999, 7, 0})));
  const Variable second = rows(table, tape.input(ids({1}, {999})));
  const Variable loss = sum(square(first)) + sum(second);
  const Gradients found = gradients(loss, parameters);
  const Gradient* gradient = found.find(0);
  REQUIRE(gradient != nullptr);
  REQUIRE(!gradient->dense.has_value());
  CHECK(gradient->sparse.ids.size() == 5);
  CHECK(gradient->sparse.rows.shape() == Shape{5, 3});

  const Tensor dense = gradients(loss, {tape.use(table)})[0].value();
  check_close(found[table], dense, 0);
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return table.value().at(3 * row + column);
  };
  for (std::int64_t j = 0; j < 3; ++j) {
    CHECK(dense.at(j) == 2 * at(0, j));
    CHECK(dense.at(3 * 7 + j) == Approx(4 * at(7, j)).epsilon(1e-15));
    CHECK(dense.at(3 * 999 + j) == Approx(2 * at(999, j) + 1).epsilon(1e-15));
    CHECK(dense.at(3 * 500 + j) == 0);
  }
}

TEST_CASE("a table that is also used whole gets a dense gradient", "[ops]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter table = parameters.create("table", random_normal(Shape{5, 3}, 1));
  const auto loss = [&](Tape& tape) {
    const Variable x = rows(table, tape.input(ids({4}, {4, 1, 4, 0})));
    return sum(square(x)) + sum(tanh(tape.use(table)));
  };
  const GradcheckReport report = gradcheck(parameters, loss);
  INFO(report.message);
  CHECK(report.ok);
  Tape tape;
  const Gradients found = gradients(loss(tape), parameters);
  CHECK(found.find(0)->dense.has_value());
}

TEST_CASE("one_hot marks the id, in every dtype", "[ops]") {
  Tape tape;
  const Variable id = tape.input(ids({2, 1}, {2, 0}));
  const Tensor expected(Shape{2, 1, 3}, {0.f, 0.f, 1.f, 1.f, 0.f, 0.f});
  CHECK(one_hot(id, 3).value().identical(expected));
  for (const Dtype dtype : {Dtype::float64, Dtype::int32, Dtype::bool_}) {
    CHECK(one_hot(id, 3, dtype).value().identical(expected.to(dtype)));
  }
  CHECK(one_hot(tape.input(no_ids({0})), 0).value().shape() == Shape{0, 0});
}

TEST_CASE("an index out of range names itself, its place and the user's line", "[ops]") {
  Tape tape;
  const Variable table = tape.input(Tensor(Shape{4, 2}));
  const Variable bad = tape.input(ids({2, 2}, {3, 0, 4, 1}));
  const auto line = [](int number) { return "indexing_test.cpp:" + std::to_string(number) + ": "; };

  const Variable looked_up = rows(table, bad);
  const int at = __LINE__ - 1;
  CHECK_THROWS_AS(looked_up.value(), ValueError);
  CHECK(contains(thrown_message([&] { looked_up.value(); }),
                 line(at) + "rows: got index 4 at [1, 0]; expected 0 <= index < 4"));
  const Variable gradient = gradients(sum(looked_up), {table})[0];
  CHECK_THROWS_AS(gradient.value(), ValueError);

  const Variable negative = tape.input(ids({1, 2}, {0, -1}));
  CHECK(contains(thrown_message([&] { gather(table, 0, negative).value(); }),
                 line(__LINE__ - 1) + "gather: got index -1 at [0, 1]; expected 0 <= index < 4"));
  const Variable source = tape.input(Tensor(Shape{1, 2}));
  CHECK(contains(thrown_message([&] { scatter_add(table, 1, negative, source).value(); }),
                 "scatter_add: got index -1 at [0, 1]; expected 0 <= index < 2"));
  CHECK(contains(thrown_message([&] { one_hot(bad, 2).value(); }),
                 "one_hot: got index 3 at [0, 0]; expected 0 <= index < 2"));
}

TEST_CASE("indexing ops check types when recorded", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 2})), index = tape.input(no_ids({2, 2}));
  CHECK_THROWS_AS(rows(x, x), DtypeError);
  CHECK_THROWS_AS(rows(index, index), DtypeError);
  CHECK_THROWS_AS(rows(tape.input(Tensor(Shape{3})), index), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, x), DtypeError);
  CHECK_THROWS_AS(gather(x, 2, index), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, tape.input(no_ids({2}))), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, tape.input(no_ids({2, 3}))), ShapeError);
  CHECK_THROWS_AS(scatter_add(x, 0, index, tape.input(Tensor(Shape{2}))), ShapeError);
  CHECK_THROWS_AS(scatter_add(x, 0, index, tape.input(Tensor(Shape{1, 2}))), ShapeError);
  CHECK_THROWS_AS(scatter_add(x, 0, index, tape.input(Tensor(Shape{2, 2}, Dtype::float64))),
                  DtypeError);
  CHECK_THROWS_AS(scatter_add(index, 0, index, index), DtypeError);
  CHECK_THROWS_AS(one_hot(x, 3), DtypeError);
  CHECK_THROWS_AS(one_hot(index, -1), ValueError);
  const Variable wide = tape.input(no_ids({2, 3}));
  CHECK(contains(thrown_message([&] { gather(x, 0, wide); }),
                 "indexing_test.cpp:" + std::to_string(__LINE__ - 1) +
                     ": gather: got indices of shape [2, 3] along axis 0 of [3, 2]"));
}
