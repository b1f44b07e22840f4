// dropout: what the masks are a function of, their rate, their gradient.
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const NoGradientOp kMask{"dropout_mask", "it has no operand, only a key and a rate"};

Tensor mask_of(std::uint64_t seed, double rate, const Shape& shape, Dtype dtype = Dtype::float32) {
  Tape tape({.seed = seed});
  return dropout_mask(tape.constant(0, dtype, shape), rate).value();
}

}  // namespace

TEST_CASE("a mask is 0 or 1 / (1 - rate), dropped at the rate", "[ops]") {
  for (const double rate : {0.1, 0.5, 0.9}) {
    const Tensor mask = mask_of(1, rate, Shape{100, 1001}, Dtype::float64);
    std::int64_t dropped = 0;
    for (const double m : mask.data<double>()) {
      REQUIRE((m == 0 || m == Approx(1 / (1 - rate)).epsilon(1e-15)));
      dropped += m == 0;
    }
    const double n = 100100, deviation = std::sqrt(n * rate * (1 - rate));
    CHECK(std::abs(static_cast<double>(dropped) - n * rate) < 4 * deviation);
  }
}

TEST_CASE("element i of a mask is word i of the key's stream", "[ops]") {
  const Tensor mask = mask_of(5, 0.25, Shape{3, 3});
  const std::uint64_t key = mix(5, 0);
  for (std::int64_t i = 0; i < 9; ++i) {
    const auto word =
        philox(key, static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)];
    CHECK((mask.at(i) == 0) == (word < (1u << 30)));
  }
}

TEST_CASE("masks depend on the seed and the draw, not on how often they are computed", "[ops]") {
  const Shape shape{64};
  CHECK(mask_of(1, 0.5, shape).identical(mask_of(1, 0.5, shape)));
  CHECK(!mask_of(1, 0.5, shape).identical(mask_of(2, 0.5, shape)));
  CHECK(
      mask_of(1, 0.5, shape, Dtype::float64).to(Dtype::float32).identical(mask_of(1, 0.5, shape)));

  Tape tape({.seed = 1});
  const Variable x = tape.constant(1, Dtype::float32, shape);
  const Variable a = dropout(x, 0.5), b = dropout(x, 0.5);
  const Tensor first = a.value();
  CHECK(!first.identical(b.value()));
  evaluate({sum(a)});
  CHECK(a.value().identical(first));
  tape.reset(1);
  CHECK(dropout(tape.constant(1, Dtype::float32, shape), 0.5).value().identical(first));
}

TEST_CASE("value and gradient see the same mask", "[ops]") {
  Tape tape({.seed = 3});
  const Variable x = tape.input(random_uniform(Shape{5, 7}, 1, 1, 2));
  const Variable y = dropout(x, 0.4);
  const Tensor dx = gradients(sum(y), {x})[0].value();
  const Tensor value = y.value();
  for (std::int64_t i = 0; i < 35; ++i) {
    CHECK(value.at(i) == Approx(x.value().at(i) * dx.at(i)).epsilon(1e-15));
  }
  const Function f = [](std::span<const Variable> v) { return dropout(v[0], 0.4); };
  CHECK(gradcheck(f, {uniform({3, 5})}).ok);
  CHECK(gradgradcheck(f, {uniform({3, 5})}).ok);
}

TEST_CASE("a shared mask is constant to gradients", "[ops]") {
  Tape tape({.seed = 3});
  const Variable x = tape.input(Tensor::full(Shape{50}, 3, Dtype::float64));
  const Variable mask = dropout_mask(x, 0.5);
  const Tensor dx = gradients(sum(x * mask) + sum(square(x) * mask), {x})[0].value();
  for (std::int64_t i = 0; i < 50; ++i) CHECK(dx.at(i) == 7 * mask.value().at(i));
}

TEST_CASE("dropout does nothing at rate 0 and outside training", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor::full(Shape{3}, 2));
  CHECK(dropout(x, 0).same_node(x));
  tape.set_training(false);
  CHECK(dropout(x, 0.9).same_node(x));
  CHECK(dropout_mask(x, 0.9).value().identical(Tensor::full(Shape{3}, 1)));
  tape.set_training(true);
  CHECK(!dropout(x, 0.9).same_node(x));
  CHECK(dropout(tape.input(Tensor(Shape{0, 4})), 0.5).value().size() == 0);
}

TEST_CASE("dropout errors leave the stream of masks as it was", "[ops]") {
  Tape tape({.seed = 1});
  const Variable x = tape.constant(1, Dtype::float32, Shape{64});
  const Variable ids = tape.input(Tensor(Shape{2}, {1, 2}));
  for (const double rate : {-0.1, 1.0, std::nan("")}) {
    CHECK_THROWS_AS(dropout(x, rate), ValueError);
    CHECK_THROWS_AS(dropout_mask(x, rate), ValueError);
  }
  CHECK_THROWS_AS(dropout(ids, 0.5), DtypeError);
  CHECK_THROWS_AS(dropout(2.0, 0.5), StateError);
  CHECK(contains(thrown_message([&] { dropout(x, 1); }),
                 "dropout_test.cpp:" + std::to_string(__LINE__ - 1) +
                     ": dropout: got rate 1; expected 0 <= rate < 1"));
  CHECK(dropout_mask(x, 0.5).value().identical(mask_of(1, 0.5, Shape{64})));
}
