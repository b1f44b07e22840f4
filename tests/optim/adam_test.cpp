#include <unroll/optim/adam.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;

namespace {

template <class Options>
Options options_from(const nlohmann::json& recorded) {
  Options options;
  options.lr = recorded.at("lr");
  options.betas = recorded.value("betas", options.betas);
  options.eps = recorded.value("eps", options.eps);
  options.weight_decay = recorded.value("weight_decay", options.weight_decay);
  options.amsgrad = recorded.value("amsgrad", options.amsgrad);
  return options;
}

template <class Optimizer, class Options>
void check_runs(const std::string& kind, int expected_runs) {
  int runs = 0;
  for (const auto& run : optimizer_cases().at("optimizers")) {
    if (run.at("kind") != kind) continue;
    ++runs;
    INFO(kind << " " << run.at("options").dump() << " in " << run.at("dtype"));
    const ParameterSet set = recorded_parameters(dtype_from(run.at("dtype")));
    Optimizer optimizer(set, options_from<Options>(run.at("options")));
    check_run(run, set, optimizer);
  }
  CHECK(runs == expected_runs);
}

}  // namespace

TEST_CASE("Adam does what PyTorch's does") {
  check_runs<optim::Adam, optim::AdamOptions>("Adam", 18);
}

TEST_CASE("AdamW does what PyTorch's does") {
  check_runs<optim::AdamW, optim::AdamWOptions>("AdamW", 18);
}

TEST_CASE("Adam: the vector code and the rest of a run give an element the same result") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  const bool amsgrad = GENERATE(false, true);
  constexpr std::int64_t kLongest = 19;
  const auto trained = [&](std::int64_t size) {
    ParameterSet set(0, dtype);
    const Parameter p = set.create("p", Tensor::full(Shape{size}, 0.3));
    optim::Adam adam(set, {.lr = 0.01, .weight_decay = 0.1, .amsgrad = amsgrad});
    for (int step = 0; step < 5; ++step) {
      Gradients gradients(set);
      gradients.set(0, {Tensor::full(Shape{size}, 0.7 - 0.3 * step, dtype), {}});
      adam.step(gradients);
    }
    return p.value();
  };
  const double alone = trained(1).item();
  for (std::int64_t size = 0; size <= kLongest; ++size) {
    const Tensor values = trained(size);
    for (std::int64_t i = 0; i < size; ++i) CHECK(values.at(i) == alone);
  }
}

TEST_CASE("Adam: moments that fade away become zero instead of denormal") {
  ParameterSet set;
  set.create("p", Tensor::full(Shape{8}, 1));
  optim::Adam adam(set, {.betas = {0.1, 0.1}});
  Gradients gradients(set);
  gradients.set(0, {Tensor::full(Shape{8}, 1e-3), {}});
  adam.step(gradients);
  gradients.set(0, {Tensor(Shape{8}), {}});
  for (int step = 0; step < 60; ++step) adam.step(gradients);
  CHECK(adam.state().at("p.exp_avg").at(3) == 0);
  CHECK(adam.state().at("p.exp_avg_sq").at(3) == 0);
}

TEST_CASE("Adam and AdamW refuse hyper-parameters that make no sense") {
  const ParameterSet set = recorded_parameters(Dtype::float32);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto message = [&](const optim::AdamOptions& options) {
    CHECK_THROWS_AS(optim::Adam(set, options), ValueError);
    return thrown_message([&] { optim::Adam(set, options); });
  };
  CHECK(message({.lr = nan}) == "Adam: lr is nan; expected a finite number >= 0");
  CHECK(message({.betas = {0.9, 1}}) == "Adam: betas[1] is 1; expected a number in [0, 1)");
  CHECK(contains(message({.betas = {-0.1, 0.9}}), "Adam: betas[0] is -0.1"));
  CHECK(contains(message({.betas = {nan, 0.9}}), "Adam: betas[0] is nan"));
  CHECK(message({.eps = 0}) == "Adam: eps is 0; expected a finite number > 0");
  CHECK(contains(message({.eps = nan}), "Adam: eps is nan"));
  CHECK(contains(message({.weight_decay = -1}), "Adam: weight_decay is -1"));
  CHECK_THROWS_AS(optim::AdamW(set, {.weight_decay = nan}), ValueError);
  CHECK(contains(thrown_message([&] { optim::AdamW(set, {.weight_decay = nan}); }),
                 "AdamW: weight_decay is nan"));
}
