// Passes one by one: sums that are written in place, memory that is used again, what evaluate
// keeps. The law that all of them keep is in pass_law.h.
#include <algorithm>
#include <cmath>

#include <unroll/autograd/tape_state.h>
#include <unroll/ops/matmul.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// d/dx of a scalar function of x [3], with all passes and with none.
void check_gradient_agrees(const std::function<Variable(const Variable&)>& f) {
  std::vector<Tensor> found;
  for (const TapeOptions& options : {options_of(0), TapeOptions{}}) {
    Tape tape(options);
    const Variable x = tape.input(Tensor(Shape{3}, {0.5, -1.0, 2.0}));
    const Variable dx = gradients(f(x), {x}).front();
    evaluate({dx});
    found.push_back(dx.value());
  }
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(found[0].at(i) == Approx(found[1].at(i)).epsilon(1e-13));
}

}  // namespace

TEST_CASE("contributions may be computed in another order than they are added up", "[passes]") {
  // The cotangent of y, which flows on to x as it is, is computed before the product's
  // contribution to x but added after it.
  check_gradient_agrees([](const Variable& x) {
    const Variable y = x + 1.0, z = x * 3.0;
    const Variable s = sum(tanh(y));
    return sum(z * z) + s;
  });
}

TEST_CASE("a sum of contributions may be a contribution to another sum", "[passes]") {
  // The cotangent of y is a sum and flows on to x as it is, where it is one of several.
  check_gradient_agrees([](const Variable& x) {
    const Variable y = x + 1.0;
    return sum(tanh(y) + sin(y)) + sum(x * x);
  });
  check_gradient_agrees([](const Variable& x) {
    Variable h = x;
    for (int t = 0; t < 4; ++t) h = (h + 0.5) + tanh(h + 0.25) * sin(h - 0.5);
    return sum(h);
  });
}

TEST_CASE("the same contribution may arrive several times", "[passes]") {
  check_gradient_agrees([](const Variable& x) { return sum(tanh(x + x + x)); });
  check_gradient_agrees([](const Variable& x) {
    const Variable y = tanh(x);
    return sum(y + y) + sum(y);
  });
}

TEST_CASE("evaluate keeps its roots, releases the rest, and computes it again when asked",
          "[passes]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3}, {0.1, 0.2, 0.3}));
  const Variable a = tanh(x), b = a * a, c = reshape(b, {3, 1}), d = sum(c);
  evaluate({d});
  const auto computed = [&](const Variable& v) {
    return tape.state().values[v.index()] != nullptr;
  };
  CHECK(computed(d));
  CHECK_FALSE(computed(a));
  CHECK_FALSE(computed(b));
  CHECK_FALSE(computed(c));
  double expected = 0;
  for (const double v : {0.1, 0.2, 0.3}) expected += std::tanh(v) * std::tanh(v);
  CHECK(d.item() == Approx(expected).epsilon(1e-14));
  CHECK(b.value().at(1) == Approx(std::tanh(0.2) * std::tanh(0.2)).epsilon(1e-14));
  CHECK(computed(a));  // value() keeps what it computed on the way
  CHECK(d.item() == Approx(expected).epsilon(1e-14));
  evaluate({d, c, c});
  CHECK(computed(c));
  CHECK(c.value().shape() == Shape{3, 1});
}

TEST_CASE("an alias that is a root keeps the memory it lies in", "[passes]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{4}, {1.0, 2.0, 3.0, 4.0}));
  const Variable y = x * 2.0, part = slice(y, 0, 1, 3), z = reshape(part, {2, 1});
  evaluate({z});
  Variable other = x;
  for (int i = 0; i < 20; ++i) other = tanh(other);
  evaluate({other});
  CHECK(z.value().at(0) == 4);
  CHECK(z.value().at(1) == 6);
}

TEST_CASE("aliases of aliases of data lie where they should", "[passes]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{4, 2}, {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}));
  const Variable middle = slice(x, 0, 1, 4), row = select(middle, 0, 1);
  const Variable element = slice(row, 0, 1, 2), y = detach(reshape(element, {1, 1})) + 0.0;
  evaluate({y});
  CHECK(y.item() == 5);
  CHECK(element.item() == 5);
  CHECK(row.value().at(0) == 4);
  // From a computed value on.
  const Variable computed = x * 2.0;
  computed.value();
  const Variable z = sum(select(slice(slice(computed, 0, 1, 4), 0, 1, 3), 0, 1));
  evaluate({z});
  CHECK(z.item() == 2 * (6 + 7));
}

TEST_CASE("operands that die are overwritten only where nothing reads them again", "[passes]") {
  // Each function is computed as the root of one run, so that its operands die in it.
  const auto check = [](const char* what, const std::function<Variable(const Variable&)>& f) {
    INFO(what);
    for (const bool fuse : {false, true}) {
      std::vector<Tensor> found;
      for (const bool reuse : {false, true}) {
        Tape tape({.passes = {.fuse = fuse, .reuse = reuse}});
        const Variable x = tape.input(random_uniform({4, 4}, 7));
        const Variable y = f(x);
        evaluate({y});
        found.push_back(y.value());
      }
      CHECK(found[0].identical(found[1]));
    }
  };
  check("chain", [](const Variable& x) { return tanh(tanh(tanh(x) * 2.0) + 1.0) * 3.0; });
  check("broadcast row of itself", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(y * select(y, 0, 0));
  });
  check("broadcast column of itself", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(y * slice(y, 1, 3, 4));
  });
  check("reshaped twin", [](const Variable& x) {
    const Variable y = tanh(reshape(x, {16}));
    return tanh(reshape(y, {4, 4}) * reshape(reshape(y, {2, 8}), {4, 4}));
  });
  check("transposed twin", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(y - transpose(y));
  });
  check("slices of the dying operand", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(slice(y, 0, 0, 2) - slice(y, 0, 2, 4));
  });
  check("overlapping slices", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(slice(y, 0, 0, 3) - slice(y, 0, 1, 4));
  });
  check("first part grows by broadcasting", [](const Variable& x) {
    const Variable y = tanh(slice(tanh(x), 0, 0, 1));
    return tanh(y + x);
  });
  check("both operands the same", [](const Variable& x) {
    const Variable y = tanh(x);
    return tanh(y * y);
  });
  check("the operand of an alias that lives on", [](const Variable& x) {
    const Variable y = tanh(x), part = select(y, 0, 1);
    const Variable z = y * 2.0;
    return tanh(z) + part;
  });
  check("a comparison is smaller than its operands", [](const Variable& x) {
    const Variable y = tanh(x);
    return where(y > 0.0, y, 0.0 - y * 0.5);
  });
  check("long formulas", [](const Variable& x) {
    Variable y = tanh(x);
    for (int i = 0; i < 5; ++i) y = gelu(silu(y) + elu(y));
    return y;
  });
}

TEST_CASE("an RNN of a thousand steps needs far less memory when dead values make room",
          "[passes]") {
  const auto memory = [](bool reuse, bool with_gradients) {
    Tape tape({.passes = {.reuse = reuse}});
    const Variable w = tape.input(random_uniform({32, 32}, 1, -0.2, 0.2, Dtype::float32));
    Variable h = tape.input(random_uniform({8, 32}, 2, -1, 1, Dtype::float32));
    for (int t = 0; t < 1000; ++t) h = tanh(matmul(h, w));
    const Variable loss = sum(h * h);
    if (with_gradients) {
      const auto g = gradients(loss, {w});
      evaluate({loss, g[0]});
    } else {
      evaluate({loss});
    }
    return static_cast<double>(tape.memory_bytes());
  };
  CHECK(memory(false, false) > 20 * memory(true, false));
  // Backwards each step needs the forward value, but neither products nor cotangents.
  CHECK(memory(false, true) > 2.5 * memory(true, true));
}

TEST_CASE("a second run of the same program allocates nothing new", "[passes]") {
  const ParameterSet parameters = lstm_parameters(8, 8, Dtype::float32);
  Tape tape;
  const auto step = [&] {
    tape.reset();
    gradients(lstm_loss(tape, parameters, 20, 4), parameters);
    return tape.memory_bytes();
  };
  const std::size_t first = step();
  CHECK(step() == first);
  CHECK(step() == first);
}

TEST_CASE("products by a square matrix and by its transpose are not taken for alike", "[passes]") {
  const auto run = [](const TapeOptions& options) {
    Tape tape(options);
    const Variable x = tape.input(Tensor(Shape{1, 2}, {1.0, 2.0}));
    const Variable y = tape.input(Tensor(Shape{1, 2}, {3.0, 5.0}));
    const Variable w = tape.input(Tensor(Shape{2, 2}, {1.0, 10.0, 100.0, 1000.0}));
    const Variable z = matmul(x, w) + matmul(y, w, Transposed{false, true});
    evaluate({z});
    return z.value();
  };
  CHECK(run({}).identical(Tensor(Shape{1, 2}, {254.0, 7310.0})));
  CHECK(run(options_of(0)).identical(run({})));
}

TEST_CASE("terms of a sum that are made in different ways are not taken for alike", "[passes]") {
  for (const TapeOptions& options : all_options()) {
    Tape tape(options);
    const auto filled = [&](const Shape& shape, double number) {
      return tape.input(Tensor::full(shape, number));
    };
    // Of a matrix, once by a product and once by a sum of matrices; and of a row, by sums of
    // matrices of two heights.
    const Variable w = filled({2, 2}, 1.0), row = filled({4}, 1.0);
    const Variables outputs{matmul(filled({3, 2}, 5.0), w), w + 1.0, row + 1.0, row + 2.0};
    const Variables cotangents{filled({3, 2}, 1.0), sum(filled({4, 2, 2}, 0.5), 0),
                               sum(filled({2, 3, 4}, 0.5), {0, 1}),
                               sum(filled({2, 5, 4}, 2.0), {0, 1})};
    const Variables found = vector_jacobian_product(outputs, cotangents, Variables{w, row});
    evaluate(found);
    CHECK(found[0].value().identical(Tensor::full({2, 2}, 17.0)));
    CHECK(found[1].value().identical(Tensor::full({4}, 23.0)));
  }
}

TEST_CASE("an affine map that is a term of a sum adds itself", "[passes]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    for (const TapeOptions& options : all_options()) {
      Tape tape(options);
      const auto filled = [&](const Shape& shape, double number) {
        return tape.input(Tensor::full(shape, number, dtype));
      };
      const Variable x = filled({2, 3}, 1.0);
      const Variables outputs{x + 1.0, x + 2.0};
      const Variables cotangents{
          matmul(filled({2, 4}, 1.0), filled({4, 3}, 0.5)),
          affine(filled({2, 4}, 2.0), filled({4, 3}, 0.5), filled({3}, 7.0))};
      const Variable both = vector_jacobian_product(outputs, cotangents, Variables{x}).front();
      evaluate({both});
      CHECK(both.value().identical(Tensor::full({2, 3}, 13.0, dtype)));
    }
  }
}

TEST_CASE("a term of a sum that others read too is still computed", "[passes]") {
  // d/dv is a term of d/dw and, twice, all of d/du.
  const auto gradients_with = [](const TapeOptions& options, bool sliced) {
    Tape tape(options);
    const Variable u = tape.input(Tensor(Shape{2, 2}, {1.0, 2.0, 3.0, 4.0}));
    const Variable w = tape.input(Tensor(Shape{2, 2}, {0.5, 1.0, 1.5, 2.0}));
    const Variable x = tape.input(Tensor(Shape{1, 2}, {3.0, 5.0}));
    const Variable y = tape.input(Tensor(Shape{1, 2}, {7.0, 11.0}));
    const Variable v = 2.0 * u + w;
    const Variable loss = sliced ? sum(slice(v, 0, 0, 1) * x) + sum(slice(w, 0, 1, 2) * y)
                                 : sum(matmul(x, v)) + sum(matmul(y, w));
    const Variables found = gradients(loss, {u, w});
    evaluate(found);
    return std::pair(found[0].value(), found[1].value());
  };
  for (const TapeOptions& options : all_options()) {
    const auto [by_u, by_w] = gradients_with(options, false);
    CHECK(by_u.identical(Tensor(Shape{2, 2}, {6.0, 6.0, 10.0, 10.0})));
    CHECK(by_w.identical(Tensor(Shape{2, 2}, {10.0, 10.0, 16.0, 16.0})));
    const auto [part_by_u, part_by_w] = gradients_with(options, true);
    CHECK(part_by_u.identical(Tensor(Shape{2, 2}, {6.0, 10.0, 0.0, 0.0})));
    CHECK(part_by_w.identical(Tensor(Shape{2, 2}, {3.0, 5.0, 7.0, 11.0})));
  }
}
