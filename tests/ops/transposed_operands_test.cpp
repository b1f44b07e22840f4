// Products of transposed operands, which are read where they are.
#include <string>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/support/check_gradients.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const Samples kTransposedLeft{
    "matmul",
    [](std::span<const Variable> x) { return matmul(transpose(x[0]), x[1]); },
    {{uniform({3, 2}), uniform({3, 4})}, {uniform({2, 3, 2}), uniform({3, 4})}}};
const Samples kTransposedRight{
    "matmul",
    [](std::span<const Variable> x) { return matmul(x[0], transpose(x[1])); },
    {{uniform({2, 3}), uniform({4, 3})}, {uniform({2, 2, 3}), uniform({2, 4, 3})}}};
const Samples kTransposedBoth{
    "matmul",
    [](std::span<const Variable> x) { return matmul(transpose(x[0]), transpose(x[1])); },
    {{uniform({3, 2}), uniform({4, 3})}, {uniform({2, 3, 2}), uniform({1, 4, 3})}}};
const Samples kAffineTransposed{
    "affine",
    [](std::span<const Variable> x) { return affine(x[0], transpose(x[1]), x[2]); },
    {{uniform({2, 3}), uniform({4, 3}), uniform({4})},
     {uniform({2, 2, 3}), uniform({4, 3}), uniform({4})}}};

Tensor random(const Shape& shape, std::uint64_t seed, Dtype dtype) {
  return random_uniform(shape, seed, -1, 1, dtype);
}

bool computed(const Variable& v) { return v.state().values[v.index()] != nullptr; }

std::size_t nodes_named(const Tape& tape, const std::string& name) {
  std::size_t count = 0;
  for (const Node& node : tape.state().nodes) count += node.op->name() == name ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("transposed operands are read where they are", "[matmul]") {
  Tape tape;
  const Variable x = tape.input(random({4, 3}, 1, Dtype::float32));
  const Variable w = tape.input(random({5, 4}, 2, Dtype::float32));
  const Variable xt = transpose(x), wt = transpose(w);
  const Variable y = matmul(xt, wt), z = affine(xt, wt, tape.input(Tensor(Shape{5})));
  const std::size_t permutes = nodes_named(tape, "permute");
  const auto g = gradients(sum(y) + sum(z), {x, w});
  evaluate({y, z, g[0], g[1]});
  y.value();
  CHECK_FALSE(computed(xt));
  CHECK_FALSE(computed(wt));
  // Nor do derivatives transpose anything; xt is an operand of affine as it is.
  CHECK(nodes_named(tape, "permute") <= permutes + 1);
  // A permutation of other axes is a copy.
  const Variable cube = tape.input(random({2, 3, 4}, 3, Dtype::float32));
  const Variable turned = permute(cube, {1, 0, 2});
  matmul(turned, wt).value();
  CHECK(computed(turned));
}

TEST_CASE("a transposed operand can be asked for its own gradient", "[ops][matmul]") {
  Tape tape;
  const Variable q = tape.input(uniform({2, 3})), x = tape.input(uniform({4, 3}));
  const Variable w = tape.input(uniform({2, 4})), b = tape.input(uniform({4}));
  const Variable k = transpose(x), same = k * 1.0;  // `same` is no transpose to a product
  const auto close = [](const Variable& a, const Variable& c) {
    return sum(abs(a - c)).item() < 1e-12;
  };
  const auto product = [&](const Variable& y) { return sum(matmul(q, y) * w); };
  const auto layer = [&](const Variable& y) { return sum(affine(q, y, b) * w); };
  CHECK(close(gradients(product(k), {k})[0], gradients(product(same), {same})[0]));
  CHECK(close(gradients(layer(k), {k})[0], gradients(layer(same), {same})[0]));
  // The transpose is used elsewhere, too, and both it and its source are asked for.
  const auto both = gradients(product(k) + sum(k * k), {x, k});
  const auto expected = gradients(product(same) + sum(same * same), {x, same});
  CHECK(close(both[0], expected[0]));
  CHECK(close(both[1], expected[1]));
  const auto left = [&](const Variable& y) { return sum(matmul(y, x) * 2.0); };
  const Variable p = transpose(tape.input(uniform({4, 5}))), plain = p * 1.0;
  CHECK(close(gradients(left(p), {p})[0], gradients(left(plain), {plain})[0]));
}

TEST_CASE("a transpose recorded under no_gradient cuts the gradient", "[ops][matmul]") {
  Tape tape;
  const Variable q = tape.input(uniform({2, 3})), x = tape.input(uniform({4, 3}));
  const auto constant = [&] {
    const auto guard = tape.no_gradient();
    return transpose(x);
  };
  const Variable k = constant();
  CHECK_NOTHROW(gradients(sum(matmul(q, k)), {q}));
  CHECK_THROWS_AS(gradients(sum(matmul(q, k)), {x}), StateError);
  CHECK_THROWS_AS(gradients(sum(affine(q, k, tape.input(uniform({4})))), {x}), StateError);
}
