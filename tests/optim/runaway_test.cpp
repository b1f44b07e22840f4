// Updates that grow from step to step: the one that would overflow is refused, and everything stays
// as the step before has left it.
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

using State = std::map<std::string, Tensor>;

State values_of(const ParameterSet& set) {
  State values;
  for (const Parameter& p : set) values.emplace(p.name(), p.value());
  return values;
}

void check_finite(const State& state) {
  for (const auto& [name, tensor] : state) {
    INFO(name);
    std::int64_t i = 0;
    while (i < tensor.size() && std::isfinite(tensor.at(i))) ++i;
    CHECK(i == tensor.size());
  }
}

void check_identical(const State& got, const State& expected) {
  for (const auto& [name, tensor] : expected) {
    INFO(name);
    CHECK(got.at(name).identical(tensor));
  }
}

/// Steps with small gradients, dense ones and those of rows, until one is refused.
template <class Make>
void check_refused(const Make& make, Dtype dtype, int least_steps) {
  ParameterSet set(1, dtype);
  set.create("dense", Tensor::full(Shape{40000}, 1, dtype));  // several pieces
  set.create("table", Tensor::full(Shape{5, 3}, 1, dtype));
  auto optimizer = make(set);
  Gradients gradients(set);
  gradients.set(0, {Tensor::full(Shape{40000}, 1e-3, dtype), {}});
  gradients.set(1, {std::nullopt, {{2}, Tensor::full(Shape{1, 3}, 1e-3, dtype)}});
  for (int step = 0; step < 40000; ++step) {
    const State values = values_of(set), state = optimizer.state();
    try {
      optimizer.step(gradients);
    } catch (const NumericError& error) {
      CHECK(contains(error.what(), "makes "));
      CHECK(step >= least_steps);
      check_identical(values_of(set), values);
      check_identical(optimizer.state(), state);
      return;
    }
    if (step % 64 == 0) check_finite(values_of(set));
  }
  FAIL("no step was refused");
}

}  // namespace

TEST_CASE("an update that grows is refused before it overflows", "[optim]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    INFO(name_of(dtype));
    check_refused(
        [](const ParameterSet& set) { return optim::SGD(set, {.lr = 1, .weight_decay = 3}); },
        dtype, 100);
    check_refused(
        [](const ParameterSet& set) { return optim::SGD(set, {.lr = 0.1, .momentum = 1.5}); },
        dtype, 100);
    check_refused(
        [](const ParameterSet& set) { return optim::AdamW(set, {.lr = 1, .weight_decay = 4}); },
        dtype, 60);
    check_refused(
        [](const ParameterSet& set) { return optim::SGD(set, {.lr = 1, .weight_decay = 1e9}); },
        dtype, 3);
  }
}

TEST_CASE("after state of other steps is loaded, the next update is checked, too", "[optim]") {
  ParameterSet set;
  const Parameter w = set.create("w", Tensor::full(Shape{2}, 1));
  optim::SGD sgd(set, {.lr = 1, .momentum = 0.9});
  Gradients gradients(set);
  gradients.set(0, {Tensor::full(Shape{2}, 1e-3), {}});
  sgd.step(gradients);
  State state = sgd.state();
  state.at("w.momentum_buffer") = Tensor::full(Shape{2}, std::numeric_limits<float>::max());
  sgd.load_state(state);
  w.assign(Tensor::full(Shape{2}, std::numeric_limits<float>::lowest()));
  CHECK_THROWS_AS(sgd.step(gradients), NumericError);
  CHECK(w.value().at(0) == std::numeric_limits<float>::lowest());
  CHECK(sgd.state().at("w.momentum_buffer").identical(state.at("w.momentum_buffer")));
}
