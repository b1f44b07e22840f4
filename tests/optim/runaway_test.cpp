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
  using optim::AdamW, optim::SGD, optim::SGDOptions;
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    INFO(name_of(dtype));
    const auto sgd = [&](const SGDOptions& options, int least_steps) {
      check_refused([&](const ParameterSet& set) { return SGD(set, options); }, dtype, least_steps);
    };
    sgd({.lr = 1, .weight_decay = 3}, 100);
    sgd({.lr = 0.1, .momentum = 1.5}, 100);
    sgd({.lr = 1, .weight_decay = 1e9}, 3);
    check_refused([](const ParameterSet& set) { return AdamW(set, {.lr = 1, .weight_decay = 4}); },
                  dtype, 60);
  }
}

TEST_CASE("the forms of momentum and Adam that grow are refused, too", "[optim]") {
  using optim::Adam, optim::SGD;
  const auto sgd = [](const optim::SGDOptions& options) {
    check_refused([&](const ParameterSet& set) { return SGD(set, options); }, Dtype::float32, 1);
  };
  sgd({.lr = 1, .momentum = 0.9, .nesterov = true, .weight_decay = 4});
  sgd({.lr = 1, .momentum = 0.9, .dampening = 1e38});
  for (const bool amsgrad : {false, true}) {
    check_refused(
        [&](const ParameterSet& set) {
          return optim::AdamW(set, {.lr = 10, .weight_decay = 1, .amsgrad = amsgrad});
        },
        Dtype::float32, 20);
  }
}

namespace {

/// A gradient of w alone.
Gradients gradient_of(const ParameterSet& set, std::size_t index, double value) {
  Gradients gradients(set);
  gradients.set(index, {Tensor::full(set[index].shape(), value, set.dtype()), {}});
  return gradients;
}

/// Calls `step` until it throws NumericError, and checks that w is finite then.
template <class Step>
void check_refused_in_turn(const Parameter& w, const Step& step) {
  bool refused = false;
  for (int i = 0; i < 400 && !refused; ++i) {
    try {
      step(i);
    } catch (const NumericError&) {
      refused = true;
    }
    REQUIRE(std::isfinite(w.value().at(0)));
  }
  CHECK(refused);
}

}  // namespace

TEST_CASE("what is large is remembered over steps without it, and seen from others", "[optim]") {
  ParameterSet set;
  const Parameter a = set.create("a", Tensor::full(Shape{3}, 1));
  const Parameter b = set.create("b", Tensor::full(Shape{3}, 1));
  SECTION("gradients in turn") {
    optim::SGD sgd(set, {.lr = 1, .weight_decay = 1000});
    check_refused_in_turn(a, [&](int i) {
      b.assign(Tensor::full(Shape{3}, 1));
      sgd.step(gradient_of(set, i % 2, 1e-3));
    });
  }
  SECTION("steps without any gradient") {
    optim::SGD sgd(set, {.lr = 1e3, .weight_decay = 1e3});
    check_refused_in_turn(a, [&](int) {
      sgd.step(gradient_of(set, 0, 1));
      sgd.step(Gradients(set));
    });
  }
  SECTION("a copy of the optimiser") {
    optim::SGD sgd(set, {.lr = 1, .weight_decay = 1000}), copy = sgd;
    check_refused_in_turn(a, [&](int i) { (i % 2 ? sgd : copy).step(gradient_of(set, 0, 1e-3)); });
  }
  SECTION("a value that was assigned") {
    optim::SGD sgd(set, {.lr = 1, .weight_decay = 3});
    sgd.step(gradient_of(set, 0, 1e-3));
    a.assign(Tensor::full(Shape{3}, 3e38));
    CHECK_THROWS_AS(sgd.step(gradient_of(set, 0, 1e-3)), NumericError);
    CHECK(a.value().at(0) == 3e38F);
  }
}

TEST_CASE("a moment that overflows later is refused then", "[optim]") {
  ParameterSet set;
  const Parameter w = set.create("w", Tensor::full(Shape{2}, 1));
  SECTION("after a rate of 0") {
    optim::SGD sgd(set, {.lr = 0, .momentum = 0.9});
    sgd.step(gradient_of(set, 0, 3e38));
    sgd.set_lr(10);
    CHECK_THROWS_AS(sgd.step(gradient_of(set, 0, 1e-3)), NumericError);
  }
  SECTION("by an eps that is 0 as a float") {
    optim::Adam adam(set, {.betas = {0.9, 0}, .eps = 1e-50});
    adam.step(gradient_of(set, 0, 1));
    CHECK_THROWS_AS(adam.step(gradient_of(set, 0, 0)), NumericError);
  }
  CHECK(std::isfinite(w.value().at(0)));
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
