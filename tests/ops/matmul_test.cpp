// Products against plain loops, in every layout.
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/matmul.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/support/check_gradients.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const Samples kProducts{"matmul",
                        [](std::span<const Variable> x) { return matmul(x[0], x[1]); },
                        {{uniform({2, 3}), uniform({3, 4})},
                         {uniform({3}), uniform({3, 2})},
                         {uniform({2, 3}), uniform({3})},
                         {uniform({3}), uniform({3})},
                         {uniform({2, 2, 3}), uniform({3, 2})},
                         {uniform({2, 2, 3}), uniform({2, 3, 2})},
                         {uniform({2, 1, 2, 3}), uniform({3, 3, 2})},
                         {uniform({2, 3}), uniform({2, 3, 2})},
                         {uniform({3}), uniform({2, 3, 2})},
                         {uniform({2, 2, 3}), uniform({3})},
                         {uniform({0, 3}), uniform({3, 2})},
                         {uniform({2, 0}), uniform({0, 2})},
                         {uniform({1, 1}), uniform({1, 1})}}};
const Samples kAffine{"affine",
                      [](std::span<const Variable> x) { return affine(x[0], x[1], x[2]); },
                      {{uniform({2, 3}), uniform({3, 4}), uniform({4})},
                       {uniform({2, 2, 3}), uniform({3, 2}), uniform({2})},
                       {uniform({3}), uniform({3, 2}), uniform({2})},
                       {uniform({0, 3}), uniform({3, 2}), uniform({2})},
                       {uniform({2, 0}), uniform({0, 2}), uniform({2})}}};
/// Element [row, column] of item `item` of a [..., rows, columns] tensor.
double element(const Tensor& x, std::int64_t item, std::int64_t row, std::int64_t column) {
  const std::int64_t rows = x.shape().extent(-2), columns = x.shape().extent(-1);
  return x.at((item * rows + row) * columns + column);
}

/// a [m, k] b [k, n] item by item; `items_a` and `items_b` say which items of the operands make an
/// item of the result.
void check_product(const Tensor& y, const Tensor& a, const Tensor& b,
                   const std::vector<std::int64_t>& items_a,
                   const std::vector<std::int64_t>& items_b) {
  const std::int64_t m = a.shape().extent(-2), k = a.shape().extent(-1), n = b.shape().extent(-1);
  REQUIRE(y.shape().extent(-2) == m);
  REQUIRE(y.shape().extent(-1) == n);
  REQUIRE(y.size() == static_cast<std::int64_t>(items_a.size()) * m * n);
  const double epsilon = y.dtype() == Dtype::float32 ? 1e-6 : 1e-14;
  for (std::size_t item = 0; item < items_a.size(); ++item) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0, size = 0;
        for (std::int64_t p = 0; p < k; ++p) {
          const double term = element(a, items_a[item], i, p) * element(b, items_b[item], p, j);
          sum += term;
          size += std::abs(term);
        }
        const double got = element(y, static_cast<std::int64_t>(item), i, j);
        REQUIRE(std::abs(got - sum) <= epsilon * (1 + size));
      }
    }
  }
}

void check_product(const Tensor& y, const Tensor& a, const Tensor& b) {
  check_product(y, a, b, {0}, {0});
}

Tensor random(const Shape& shape, std::uint64_t seed, Dtype dtype) {
  return random_uniform(shape, seed, -1, 1, dtype);
}

/// A copy with the last two axes exchanged.
Tensor transposed(const Tensor& x) {
  const std::int64_t rows = x.shape().extent(-2), columns = x.shape().extent(-1);
  Tensor result(x.shape().with(x.shape().rank() - 2, columns).with(x.shape().rank() - 1, rows),
                Dtype::float64);
  auto out = result.mutable_data<double>();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t item = i / (rows * columns), row = i / columns % rows, column = i % columns;
    out[static_cast<std::size_t>((item * columns + column) * rows + row)] = x.at(i);
  }
  return result.to(x.dtype());
}

}  // namespace

TEST_CASE("products of matrices of many sizes", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    for (const std::int64_t m : {1, 2, 7, 16, 33}) {
      for (const std::int64_t k : {1, 3, 16, 65}) {
        for (const std::int64_t n : {1, 5, 16, 47}) {
          Tape tape;
          const Tensor a = random({m, k}, 1, dtype), b = random({k, n}, 2, dtype);
          const Variable x = tape.input(a), w = tape.input(b);
          const Variable xt = tape.input(transposed(a)), wt = tape.input(transposed(b));
          INFO(m << " x " << k << " x " << n);
          check_product(matmul(x, w).value(), a, b);
          check_product(matmul(transpose(xt), w).value(), a, b);
          check_product(matmul(x, transpose(wt)).value(), a, b);
          check_product(matmul(transpose(xt), transpose(wt)).value(), a, b);
        }
      }
    }
  }
}

TEST_CASE("batches broadcast", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    Tape tape;
    const auto check = [&](const Shape& sa, const Shape& sb, const Shape& expected,
                           const std::vector<std::int64_t>& items_a,
                           const std::vector<std::int64_t>& items_b) {
      const Tensor a = random(sa, 1, dtype), b = random(sb, 2, dtype);
      const Variable y = matmul(tape.input(a), tape.input(b));
      INFO(to_string(sa) << " x " << to_string(sb));
      CHECK(y.shape() == expected);
      check_product(y.value(), a, b, items_a, items_b);
      const Variable folded =
          matmul(transpose(tape.input(transposed(a))), transpose(tape.input(transposed(b))));
      CHECK(folded.shape() == expected);
      check_product(folded.value(), a, b, items_a, items_b);
    };
    check({2, 3, 4}, {2, 4, 5}, {2, 3, 5}, {0, 1}, {0, 1});
    check({2, 3, 4}, {4, 5}, {2, 3, 5}, {0, 1}, {0, 0});
    check({3, 4}, {2, 4, 5}, {2, 3, 5}, {0, 0}, {0, 1});
    check({2, 1, 3, 4}, {2, 4, 5}, {2, 2, 3, 5}, {0, 0, 1, 1}, {0, 1, 0, 1});
    check({1, 2, 3, 4}, {2, 1, 4, 5}, {2, 2, 3, 5}, {0, 1, 0, 1}, {0, 0, 1, 1});
    check({2, 2, 3, 4}, {1, 1, 4, 5}, {2, 2, 3, 5}, {0, 1, 2, 3}, {0, 0, 0, 0});
  }
}

TEST_CASE("vectors are rows or columns that disappear", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    Tape tape;
    const Tensor v = random({3}, 1, dtype), u = random({3}, 2, dtype), w = random({3, 4}, 3, dtype);
    const Tensor batch = random({2, 3, 4}, 4, dtype);
    const Variable x = tape.input(v), z = tape.input(u), m = tape.input(w), b = tape.input(batch);
    CHECK(matmul(x, m).shape() == Shape{4});
    CHECK(matmul(transpose(m), x).shape() == Shape{4});
    CHECK(matmul(x, z).shape() == Shape{});
    CHECK(matmul(x, b).shape() == Shape{2, 4});
    CHECK(matmul(transpose(b), x).shape() == Shape{2, 4});
    check_product(matmul(x, m).value().reshaped({1, 4}), v.reshaped({1, 3}), w);
    check_product(matmul(transpose(m), x).value().reshaped({4, 1}), transposed(w),
                  v.reshaped({3, 1}));
    check_product(matmul(x, b).value().reshaped({2, 1, 4}), v.reshaped({1, 3}), batch, {0, 0},
                  {0, 1});
    const double expected = v.at(0) * u.at(0) + v.at(1) * u.at(1) + v.at(2) * u.at(2);
    CHECK(matmul(x, z).item() == Approx(expected).epsilon(1e-6));
    CHECK(dot(x, z).item() == Approx(expected).epsilon(1e-6));
    const Tensor table = outer(x, matmul(x, m)).value();
    CHECK(table.shape() == Shape{3, 4});
    CHECK(table.at(5) == Approx(v.at(1) * matmul(x, m).value().at(1)).epsilon(1e-6));
  }
}

TEST_CASE("products over nothing are zeros", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    Tape tape;
    const auto product = [&](const Shape& a, const Shape& b) {
      return matmul(tape.input(random(a, 1, dtype)), tape.input(random(b, 2, dtype))).value();
    };
    CHECK(product({0, 3}, {3, 2}).shape() == Shape{0, 2});
    CHECK(product({2, 3}, {3, 0}).shape() == Shape{2, 0});
    CHECK(product({2, 0}, {0, 3}).identical(Tensor({2, 3}, dtype)));
    CHECK(product({0, 0}, {0, 0}).shape() == Shape{0, 0});
    CHECK(product({0, 2, 3}, {3, 2}).shape() == Shape{0, 2, 2});
    CHECK(product({0, 2, 3}, {1, 3, 2}).shape() == Shape{0, 2, 2});
    CHECK(product({2, 2, 0}, {0, 3}).identical(Tensor({2, 2, 3}, dtype)));
    CHECK(product({0}, {0}).identical(Tensor({}, dtype)));
    CHECK(product({0}, {0, 3}).identical(Tensor({3}, dtype)));
    // Also where the result is added to something: dW of an empty batch.
    const Variable w = tape.input(random({3, 2}, 3, dtype));
    const Variable x = tape.input(Tensor({0, 3}, dtype)), y = tape.input(random({1, 3}, 4, dtype));
    const auto g = gradients(sum(matmul(x, w)) + sum(matmul(y, w)), {w});
    evaluate({g[0]});
    CHECK(g[0].value().at(0) == Approx(y.value().at(0)));
  }
}

TEST_CASE("affine is a product and a bias", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    Tape tape;
    for (const Shape& shape :
         {Shape{5, 3}, Shape{2, 4, 3}, Shape{3}, Shape{0, 3}, Shape{2, 0, 3}}) {
      const Variable x = tape.input(random(shape, 1, dtype));
      const Variable w = tape.input(random({3, 4}, 2, dtype)),
                     b = tape.input(random({4}, 3, dtype));
      const Variable stored = tape.input(transposed(w.value()));
      const Tensor expected = (matmul(x, w) + b).value();
      for (const Tensor& y : {affine(x, w, b).value(), affine(x, transpose(stored), b).value()}) {
        CHECK(y.shape() == expected.shape());
        for (std::int64_t i = 0; i < y.size(); ++i) {
          REQUIRE(y.at(i) == Approx(expected.at(i)).epsilon(1e-5).margin(1e-6));
        }
      }
    }
    const Variable none = tape.input(Tensor({2, 0}, dtype));
    const Variable b = tape.input(random({4}, 3, dtype));
    CHECK(affine(none, tape.input(Tensor({0, 4}, dtype)), b).value().at(5) == b.value().at(1));
  }
}

TEST_CASE("parameters may stand where variables do", "[matmul]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter v = parameters.create("v", random({3}, 1, Dtype::float64));
  const Parameter cube = parameters.create("cube", random({2, 2, 3}, 2, Dtype::float64));
  const Parameter w = parameters.create("w", random({3, 4}, 3, Dtype::float64));
  Tape tape;
  const Variable x = tape.input(random({2, 3}, 4, Dtype::float64));
  const Variable m = tape.input(random({3, 4}, 5, Dtype::float64));
  CHECK(matmul(x, v).shape() == Shape{2});
  CHECK(matmul(v, m).shape() == Shape{4});
  CHECK(matmul(cube, m).shape() == Shape{2, 2, 4});
  CHECK(matmul(x, w).shape() == Shape{2, 4});
  CHECK(affine(cube, m, 0.0 * select(m, 0, 0)).shape() == Shape{2, 2, 4});
  const Gradients g = gradients(sum(matmul(x, v)) + sum(matmul(cube, m)), parameters);
  CHECK(g[v].at(0) == Approx(x.value().at(0) + x.value().at(3)));
  CHECK(g.contains(cube));
}

TEST_CASE("what does not fit is refused with both shapes", "[matmul]") {
  Tape tape;
  const auto variable = [&](const Shape& shape, Dtype dtype = Dtype::float32) {
    return tape.input(Tensor(shape, dtype));
  };
  const auto check = [&](const Shape& a, const Shape& b) {
    const auto call = [&] { matmul(variable(a), variable(b)); };
    INFO(to_string(a) << " x " << to_string(b));
    CHECK_THROWS_AS(call(), ShapeError);
    const std::string message = thrown_message(call);
    CHECK(contains(message, to_string(a)));
    CHECK(contains(message, to_string(b)));
  };
  check({2, 3}, {4, 5});
  check({3}, {4});
  check({2, 3}, {4});
  check({3}, {4, 5});
  check({2, 2, 3}, {4, 5});
  check({}, {3, 3});
  check({3, 3}, {});
  CHECK_THROWS_AS(matmul(variable({2, 2, 3}), variable({3, 3, 2})), ShapeError);  // batches
  CHECK_THROWS_AS(matmul(variable({2, 3}), variable({3, 2}, Dtype::float64)), DtypeError);
  CHECK_THROWS_AS(matmul(variable({2, 3}, Dtype::int32), variable({3, 2}, Dtype::int32)),
                  DtypeError);
  CHECK_THROWS_AS(matmul(variable({2, 3}), 2.0), ShapeError);
  CHECK_THROWS_AS(dot(variable({2, 3}), variable({3})), ShapeError);
  CHECK_THROWS_AS(dot(variable({2}), variable({3})), ShapeError);
  CHECK_THROWS_AS(outer(variable({2, 3}), variable({3})), ShapeError);
  CHECK_THROWS_AS(affine(variable({2, 3}), variable({4, 5}), variable({5})), ShapeError);
  CHECK_THROWS_AS(affine(variable({2, 3}), variable({3, 5}), variable({4})), ShapeError);
  CHECK_THROWS_AS(affine(variable({2, 3}), variable({3, 5}), variable({1, 5})), ShapeError);
  CHECK_THROWS_AS(affine(variable({}), variable({3, 5}), variable({5})), ShapeError);
  CHECK_THROWS_AS(affine(variable({2, 3}), variable({3, 5}, Dtype::float64), variable({5})),
                  DtypeError);
  for (const Shape& weight : {Shape{}, Shape{3}, Shape{2, 4, 3}, Shape{4, 2}}) {
    CHECK_THROWS_AS(linear(variable({2, 3}), variable(weight)), ShapeError);
    CHECK_THROWS_AS(linear(variable({2, 3}), variable(weight), variable({4})), ShapeError);
  }
  CHECK_THROWS_AS(linear(variable({}), variable({4, 3})), ShapeError);
  // What is recorded on the way is forgotten, on both tapes.
  Tape other;
  const Variable there = other.input(Tensor(Shape{3})), here = variable({3});
  const Variable matrix = variable({4, 3}), whole = variable({3}, Dtype::int32);
  const std::size_t before = tape.size();
  CHECK_THROWS_AS(outer(here, there), StateError);
  CHECK_THROWS_AS(outer(here, whole), Error);
  CHECK_THROWS_AS(matmul(here, there), StateError);
  CHECK_THROWS_AS(matmul(matrix, there), StateError);
  CHECK_THROWS_AS(linear(there, matrix), StateError);
  CHECK(tape.size() == before);
  CHECK(other.size() == 1);
  // The stored shape is named for what it is.
  const std::string message = thrown_message([&] {
    affine(variable({2, 3}), transpose(variable({5, 4})), variable({5}));
  });
  CHECK(contains(message, "[5, 4] transposed"));
}

TEST_CASE("infinities and NaN go through products", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    Tape tape;
    const Variable x = tape.input(Tensor(Shape{1, 2}, {0.0, 1.0}).to(dtype));
    const Variable w =
        tape.input(Tensor(Shape{2, 1}, {static_cast<double>(INFINITY), 1.0}).to(dtype));
    CHECK(std::isnan(matmul(x, w).item()));  // 0 times infinity
    CHECK(matmul(x + 1.0, w).item() == INFINITY);
  }
}

TEST_CASE("weight gradients of many steps are added up in place", "[matmul]") {
  // With and without the pass that lets products add to their destination.
  std::vector<Tensor> found;
  for (const bool accumulate : {false, true}) {
    Tape tape({.passes = {.accumulate = accumulate}});
    const Variable w = tape.input(random({6, 6}, 1, Dtype::float64));
    Variable h = tape.input(random({2, 6}, 2, Dtype::float64));
    for (int t = 0; t < 7; ++t) h = tanh(matmul(h, w));
    const auto g = gradients(sum(h), {w});
    evaluate({g[0]});
    found.push_back(g[0].value());
  }
  for (std::int64_t i = 0; i < 36; ++i) {
    CHECK(found[0].at(i) == Approx(found[1].at(i)).epsilon(1e-12).margin(1e-14));
  }
}
