// Plans: when one is used again, what it may not remember, and what a failed run leaves behind.
#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// y = k x with k as data, whose derivative takes k over into an op of its own.
class Scaled final : public Op {
 public:
  Scaled(std::string name, const Scaled* gradient)
      : Op(std::move(name), {.internal = true}), gradient_(gradient) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    const double k = call.attributes.as<double>();
    for (std::int64_t i = 0; i < call.output.size(); ++i) {
      call.output.as<double>()[i] = k * call.input(0).as<double>()[i];
    }
  }
  void derive(Derivation& d) const override {
    d.add(0, record(*gradient_, {d.cotangent()}, d.attributes<double>()));
  }
  std::size_t attribute_bytes() const override { return sizeof(double); }
  std::size_t data_bytes() const override { return sizeof(double); }

 private:
  const Scaled* gradient_;
};

const Scaled kScaledGradient{"test.scaled.grad", nullptr};
const Scaled kScaled{"test.scaled", &kScaledGradient};

const Pointwise kAboveHalf{"test.above_half", [](Expr x) { return x > 0.5; }, nullptr};
const NoGradientOp kAboveHalfHasNone{"test.above_half", "a comparison"};

}  // namespace

TEST_CASE("data that a derivative copies is not taken from an earlier step", "[plan]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("p", Tensor(Shape{2}, {1.0, 2.0}));
  Tape tape;
  for (const double k : {2.0, 5.0, 7.0}) {
    tape.reset();
    const Gradients g = gradients(sum(record(kScaled, {tape.use(p)}, k)), parameters);
    CHECK(g[p].at(0) == k);
  }
}

TEST_CASE("a mask is made in the dtype of what it compares", "[plan]") {
  for (const bool fuse : {false, true}) {
    Tape tape({.passes = {.fuse = fuse}});
    const Variable x = tape.input(Tensor(Shape{3}, {0.5 + 1e-12, 0.25, 1.0})) * 1.0;
    const Variable mask = kAboveHalf(x);
    const Variable ones = tape.input(Tensor::full({3}, 1.0, Dtype::float32));
    const Variable chosen = where(mask, ones * 2.0, ones);
    evaluate({x, chosen});
    CHECK(chosen.value().at(0) == 2);
    CHECK(chosen.value().at(1) == 1);
  }
}

TEST_CASE("the gradients of one tape are planned once the loss is there", "[plan]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("p", Tensor(Shape{2}, {1.0, 2.0}));
  Tape tape;
  const Variable loss = sum(tanh(tape.use(p)));
  for (int i = 0; i < 5; ++i) gradients(loss, parameters);
  CHECK(tape.state().plans.size() == 2);
}

TEST_CASE("a run that fails gives its memory back", "[plan]") {
  Tape tape;
  const Variable table = tape.input(Tensor(Shape{4, 8}));
  const Variable bad = rows(table, tape.input(Tensor(Shape{1}, std::vector<std::int32_t>{9})));
  const Variable large = tape.constant(1, Dtype::float32, {1000, 100}) * 2.0;
  CHECK_THROWS_AS(evaluate({bad, large}), ValueError);
  const std::size_t before = tape.memory_bytes();
  for (int i = 0; i < 10; ++i) CHECK_THROWS_AS(evaluate({bad, large}), ValueError);
  CHECK(tape.memory_bytes() == before);
}
