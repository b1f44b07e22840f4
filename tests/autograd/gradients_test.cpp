// Reverse mode against derivatives known in closed form.
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/indexing.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/check_gradients.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

Variable scalar(Tape& tape, double value) {
  return tape.input(Tensor::scalar(value, Dtype::float64));
}

/// The n-th derivative of a scalar function at x.
double derivative(const std::function<Variable(const Variable&)>& f, double at, int n) {
  Tape tape;
  const Variable x = scalar(tape, at);
  Variable y = f(x);
  for (int i = 0; i < n; ++i) y = gradients(y, {x}).front();
  return y.item();
}

}  // namespace

TEST_CASE("derivatives of scalar functions", "[gradients]") {
  const double x = 0.7;
  const auto first = [&](const std::function<Variable(const Variable&)>& f) {
    return Approx(derivative(f, x, 1)).epsilon(1e-12);
  };
  CHECK(3 * x * x == first([](const Variable& v) { return v * v * v; }));
  CHECK(std::cos(x) == first([](const Variable& v) { return sin(v); }));
  CHECK(-1 / (x * x) == first([](const Variable& v) { return 1.0 / v; }));
  CHECK(2 * x * std::exp(x * x) == first([](const Variable& v) { return exp(v * v); }));
  CHECK(1 - std::pow(std::tanh(x), 2) == first([](const Variable& v) { return tanh(v); }));
}

TEST_CASE("derivatives of derivatives", "[gradients]") {
  const double x = 0.3, t = std::tanh(x), s = 1 - t * t;
  const auto tanh_of = [](const Variable& v) { return tanh(v); };
  CHECK(derivative(tanh_of, x, 2) == Approx(-2 * t * s).epsilon(1e-12));
  CHECK(derivative(tanh_of, x, 3) == Approx(-2 * s * (1 - 3 * t * t)).epsilon(1e-12));
  CHECK(derivative(tanh_of, x, 4) == Approx(8 * t * s * (2 - 3 * t * t)).epsilon(1e-11));
  const auto cube = [](const Variable& v) { return v * v * v; };
  CHECK(derivative(cube, 1.5, 2) == Approx(9));
  CHECK(derivative(cube, 1.5, 3) == Approx(6));
  CHECK_THROWS_AS(derivative(cube, 1.5, 4), StateError);  // a constant depends on nothing
  const auto power = [](const Variable& v) { return pow(v, 2.5); };
  CHECK(derivative(power, 2, 3) == Approx(2.5 * 1.5 * 0.5 * std::pow(2, -0.5)).epsilon(1e-12));
  const auto sine = [](const Variable& v) { return sin(v); };
  CHECK(derivative(sine, x, 3) == Approx(-std::cos(x)).epsilon(1e-12));
}

TEST_CASE("a weight that is used T times gets the sum of T contributions", "[gradients]") {
  for (int steps = 1; steps <= 32; ++steps) {
    Tape tape;
    const Variable w = scalar(tape, 0.9);
    Variable h = scalar(tape, 2);
    for (int t = 0; t < steps; ++t) h = h * w;
    INFO("T = " << steps);
    CHECK(gradients(h, {w})[0].item() ==
          Approx(2 * steps * std::pow(0.9, steps - 1)).epsilon(1e-12));
  }
}

TEST_CASE("diamonds of diamonds", "[gradients]") {
  Tape tape;
  const Variable x = scalar(tape, 0.01);
  Variable y = x;
  for (int i = 0; i < 20; ++i) y = y + y;  // 2^20 paths
  CHECK(gradients(y, {x})[0].item() == 1 << 20);
  Variable z = x;
  for (int i = 0; i < 4; ++i) z = sin(z) * cos(z) + z;
  const auto f = [](double v) {
    for (int i = 0; i < 4; ++i) v = std::sin(v) * std::cos(v) + v;
    return v;
  };
  const double eps = 1e-6, numeric = (f(0.01 + eps) - f(0.01 - eps)) / (2 * eps);
  CHECK(gradients(z, {x})[0].item() == Approx(numeric).epsilon(1e-8));
}

TEST_CASE("gradients of broadcast operands have the operands' shapes", "[gradients]") {
  Tape tape;
  const Variable m = tape.input(Tensor::full({3, 4}, 2, Dtype::float64));
  const Variable row = tape.input(Tensor::full({4}, 3, Dtype::float64));
  const Variable column = tape.input(Tensor::full({3, 1}, 5, Dtype::float64));
  const Variable number = scalar(tape, 7);
  const auto g = gradients(sum(m * row * column * number), {m, row, column, number});
  CHECK(g[0].value().identical(Tensor::full({3, 4}, 105, Dtype::float64)));
  CHECK(g[1].value().identical(Tensor::full({4}, 3 * 70, Dtype::float64)));
  CHECK(g[2].value().identical(Tensor::full({3, 1}, 4 * 42, Dtype::float64)));
  CHECK(g[3].item() == 12 * 30);
  const Variable empty = tape.input(Tensor(Shape{0, 4}, Dtype::float64));
  CHECK(gradients(sum(empty * row), {row})[0].value().identical(Tensor({4}, Dtype::float64)));
}

TEST_CASE("gradients by intermediate variables, by outputs, by the loss itself", "[gradients]") {
  Tape tape;
  const Variable x = scalar(tape, 2), y = x * x, z = y * x;
  const auto g = gradients(z, {y, x, z, x});
  CHECK(g[0].item() == 2);
  CHECK(g[1].item() == 12);
  CHECK(g[2].item() == 1);
  CHECK(g[3].item() == 12);

  // x is an input and an output at once.
  const Variables outputs{x, y}, cotangents{scalar(tape, 10), scalar(tape, 100)};
  const auto v = vector_jacobian_product(outputs, cotangents, {&x, 1});
  CHECK(v[0].item() == 10 + 100 * 4);
}

TEST_CASE("vector-Jacobian products with any cotangent", "[gradients]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3}, {1.0, 2.0, 3.0}));
  const Variable y = x * x, c = tape.input(Tensor(Shape{3}, {1.0, 10.0, 100.0}));
  const Variable apart = scalar(tape, 1);
  const Variables wrt{x, apart};
  const auto v = vector_jacobian_product({&y, 1}, {&c, 1}, wrt);
  CHECK(v[0].value().identical(Tensor(Shape{3}, {2.0, 40.0, 600.0})));
  CHECK_FALSE(v[1].defined());
  CHECK(vector_jacobian_product({&y, 1}, {&c, 1}, {}).empty());
  CHECK_THROWS_AS(vector_jacobian_product({&y, 1}, {}, wrt), ValueError);
  CHECK_THROWS_AS(vector_jacobian_product({}, {}, wrt), ValueError);
}

TEST_CASE("a Hessian row by row", "[gradients]") {
  // f = x0^2 x1 + x1^3
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {2.0, 3.0}));
  const Variable a = slice(x, 0, 0, 1), b = slice(x, 0, 1, 2);
  const Variable g = gradients(sum(a * a * b + b * b * b), {x})[0];
  const double expected[2][2] = {{6, 4}, {4, 18}};
  for (int i = 0; i < 2; ++i) {
    const Tensor row = gradients(select(g, 0, i), {x})[0].value();
    for (int j = 0; j < 2; ++j) CHECK(row.at(j) == Approx(expected[i][j]));
  }
}

TEST_CASE("first and second derivatives of a small RNN", "[gradients]") {
  const Function rnn = [](std::span<const Variable> v) {
    Variable h = v[2];
    for (int t = 0; t < 5; ++t) h = tanh(matmul(h, v[0]) + v[1]);
    return h;
  };
  check_gradients(rnn, {small({3, 3}, 1), small({3}, 2), small({2, 3}, 3)});
}

TEST_CASE("derivatives of random programs", "[gradients]") {
  ParameterSet parameters = program_parameters(Dtype::float64);
  for (std::uint64_t seed = 100; seed < 110; ++seed) {
    const GradcheckReport report =
        gradcheck(parameters, [&](Tape& tape) { return random_program(tape, parameters, seed); });
    INFO("program " << seed << ": " << report.message);
    CHECK(report.ok);
  }
}

TEST_CASE("gradients of a parameter set: values, absent parameters, norms", "[gradients]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter a = parameters.create("a", Tensor(Shape{2}, {3.0, 4.0}));
  const Parameter unused = parameters.create("unused", Tensor(Shape{2, 2}));
  const Parameter b = parameters.create("b", Tensor::scalar(2));
  Tape tape;
  const Variable loss = sum(tape.use(b) * a * a);
  Gradients g = gradients(loss, parameters);
  CHECK(loss.item() == 50);
  CHECK(g[a].identical(Tensor(Shape{2}, {12.0, 16.0})));
  CHECK(g[b].item() == 25);
  CHECK(g.contains(a));
  CHECK_FALSE(g.contains(unused));
  CHECK(g[unused].identical(Tensor(Shape{2, 2}, Dtype::float64)));
  CHECK(g.size() == 3);
  CHECK(g.norm() == Approx(std::sqrt(144 + 256 + 625)));
  CHECK(g.finite());
  g.scale(2);
  CHECK(g[b].item() == 50);
  Gradients doubled = g;
  doubled.add(g);
  CHECK(doubled[a].at(1) == 64);
  CHECK(g[a].at(1) == 32);  // values
  ParameterSet other(0, Dtype::float64);
  const Parameter foreign = other.create("a", Tensor(Shape{2}));
  CHECK_THROWS_AS(g[foreign], ValueError);
  CHECK_FALSE(g.contains(foreign));
  CHECK_THROWS_AS(g.add(Gradients(other)), ValueError);
  Gradients bad(parameters);
  bad.set(0, {Tensor(Shape{2}, {1.0, std::nan("")}), {}});
  CHECK_FALSE(bad.finite());
}

TEST_CASE("embedding tables get row-sparse gradients", "[gradients]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter table = parameters.create("table", random_uniform({1000, 3}, 1));
  Tape tape;
  const Variable ids = tape.input(Tensor(Shape{2, 2}, {7, 3, 7, 999}));
  const Variable once = tape.input(Tensor(Shape{1}, {3}));
  const Variable loss = sum(square(rows(table, ids))) + sum(rows(table, once));
  const Gradients g = gradients(loss, parameters);
  const Gradient* found = g.find(0);
  REQUIRE(found != nullptr);
  CHECK_FALSE(found->dense.has_value());
  CHECK(found->sparse.ids.size() == 5);
  const SparseRows joined = coalesced(found->sparse);
  CHECK(joined.ids == RecycledVector<std::int32_t>{3, 7, 999});
  const Tensor dense = g[table];
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(dense.at(3 * 3 + i) == Approx(2 * table.value().at(3 * 3 + i) + 1));
    CHECK(dense.at(7 * 3 + i) == Approx(4 * table.value().at(7 * 3 + i)));
    CHECK(dense.at(999 * 3 + i) == Approx(2 * table.value().at(999 * 3 + i)));
    CHECK(dense.at(5 * 3 + i) == 0);
    CHECK(joined.rows.at(3 + i) == Approx(dense.at(7 * 3 + i)));
  }
  double square_sum = 0;
  for (std::int64_t i = 0; i < dense.size(); ++i) square_sum += dense.at(i) * dense.at(i);
  CHECK(g.norm() == Approx(std::sqrt(square_sum)));
  // Nothing of the table's size was computed.
  CHECK(tape.memory_bytes() < std::size_t{1000} * 3 * 8 + 200000);
  // Used in another way too, the gradient is dense.
  const Gradients mixed = gradients(loss + sum(tape.use(table) * 2.0), parameters);
  CHECK(mixed.find(0)->dense.has_value());
  CHECK(mixed[table].at(5 * 3) == 2);
  CHECK(mixed[table].at(3 * 3) == Approx(dense.at(3 * 3) + 2));
}

TEST_CASE("sparse and dense gradients add up in every combination", "[gradients]") {
  ParameterSet parameters(0, Dtype::float64);
  parameters.create("table", Tensor(Shape{4, 2}));
  const auto sparse = [&](RecycledVector<std::int32_t> ids, double value) {
    Gradients g(parameters);
    const auto n = static_cast<std::int64_t>(ids.size());
    g.set(0, {std::nullopt, {std::move(ids), Tensor::full({n, 2}, value, Dtype::float64)}});
    return g;
  };
  Gradients dense(parameters);
  dense.set(0, {Tensor::full({4, 2}, 1, Dtype::float64), {}});
  const std::vector<Gradients> all{Gradients(parameters), dense, sparse({1, 1}, 10),
                                   sparse({3, 0, 1}, 100), sparse({}, 0)};
  for (const Gradients& a : all) {
    for (const Gradients& b : all) {
      Gradients total = a;
      total.add(b);
      const Tensor x = a[parameters[0]], y = b[parameters[0]], z = total[parameters[0]];
      for (std::int64_t i = 0; i < 8; ++i) CHECK(z.at(i) == x.at(i) + y.at(i));
    }
  }
}

TEST_CASE("the loss is computed with the gradients, and again without them", "[gradients]") {
  const ParameterSet parameters = lstm_parameters(3, 4, Dtype::float64);
  Tape tape;
  const Variable loss = lstm_loss(tape, parameters, 6, 2);
  const Gradients first = gradients(loss, parameters);
  CHECK(tape.state().values[loss.index()] != nullptr);
  const Gradients second = gradients(loss, parameters);
  for (const Parameter& p : parameters) CHECK(first[p].identical(second[p]));
  Tape alone;
  CHECK(lstm_loss(alone, parameters, 6, 2).item() == Approx(loss.item()).epsilon(1e-14));
}

TEST_CASE("the work for gradients that nobody asks for is not recorded", "[gradients]") {
  const auto nodes = [](bool by_w) {
    Tape tape;
    const Variable x = tape.input(Tensor({4, 4})), w = tape.input(Tensor({4, 4}));
    const Variable y = sum(matmul(tanh(x), w));
    const std::size_t before = tape.size();
    gradients(y, {by_w ? w : x});
    return tape.size() - before;
  };
  CHECK(nodes(true) < nodes(false));
}

TEST_CASE("second derivatives are the same when they are recorded under no_gradient",
          "[gradients]") {
  Tape tape;
  const Variable x = tape.input(random_normal({3}, 5));
  const Variable slope = sum(gradients(sum(square(tanh(x))), {x})[0]);
  const Variable outside = gradients(slope, {x})[0];
  const auto guard = tape.no_gradient();
  const Variable inside = gradients(slope, {x})[0];
  CHECK(inside.value().identical(outside.value()));
}

TEST_CASE("a sum of contributions carries the line of what it is the gradient of", "[gradients]") {
  // At any length the list of nodes may have to move while the sum is recorded.
  for (int length = 1; length < 300; ++length) {
    Tape tape;
    const Variable x = scalar(tape, 0.5);
    for (int i = 0; i < length; ++i) scalar(tape, i);
    const Variable dx = gradients(sin(x) * x, {x}).front();
    const auto& nodes = tape.state().nodes;
    REQUIRE(nodes[dx.index()].where.file == nodes[x.index()].where.file);
    REQUIRE(nodes[dx.index()].where.line == nodes[x.index()].where.line);
  }
}
