#include <unroll/optim/sgd.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;

namespace {

optim::SGDOptions options_from(const nlohmann::json& options) {
  return {.lr = options.at("lr"),
          .momentum = options.value("momentum", 0.0),
          .dampening = options.value("dampening", 0.0),
          .nesterov = options.value("nesterov", false),
          .weight_decay = options.value("weight_decay", 0.0)};
}

}  // namespace

TEST_CASE("SGD does what PyTorch's does") {
  int runs = 0;
  for (const auto& run : optimizer_cases().at("optimizers")) {
    if (run.at("kind") != "SGD") continue;
    ++runs;
    INFO(run.at("options").dump() << " in " << run.at("dtype"));
    const ParameterSet set = recorded_parameters(dtype_from(run.at("dtype")));
    optim::SGD sgd(set, options_from(run.at("options")));
    check_run(run, set, sgd);
  }
  CHECK(runs == 16);
}

TEST_CASE("SGD without momentum and decay touches only the rows of a sparse gradient") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  ParameterSet set(0, dtype);
  const Parameter table = set.create("table", Tensor::full(Shape{4, 3}, 1, Dtype::float64));
  // A denormal would be flushed to zero, and a NaN stays one only if nobody looks at it.
  Tensor start = table.value().to(Dtype::float64);
  start.mutable_data<double>()[0] = std::numeric_limits<double>::denorm_min();
  start.mutable_data<double>()[5] = std::numeric_limits<double>::quiet_NaN();
  table.assign(start.to(dtype));
  const Tensor before = table.value();

  Gradients gradients(set);
  const Tensor rows = Tensor(Shape{3, 3}, {1., 2., 3., 4., 5., 6., 7., 8., 9.}).to(dtype);
  gradients.set(0, {std::nullopt, {{2, 3, 2}, rows}});
  optim::SGD(set, {.lr = 0.5}).step(gradients);

  const std::vector<double> expected{1 - 4, 1 - 5, 1 - 6, 1 - 2, 1 - 2.5, 1 - 3};
  for (std::int64_t i = 0; i < 6; ++i) {
    INFO(i);
    CHECK((table.value().at(i) == before.at(i) || i == 5));
    CHECK(table.value().at(6 + i) == expected[static_cast<std::size_t>(i)]);
  }
  CHECK(std::isnan(table.value().at(5)));
}

TEST_CASE("SGD refuses hyper-parameters that make no sense") {
  const ParameterSet set = recorded_parameters(Dtype::float32);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto message = [&](const optim::SGDOptions& options) {
    CHECK_THROWS_AS(optim::SGD(set, options), ValueError);
    return thrown_message([&] { optim::SGD(set, options); });
  };
  CHECK(message({.lr = nan}) == "SGD: lr is nan; expected a finite number >= 0");
  CHECK(message({.lr = -1}) == "SGD: lr is -1; expected a finite number >= 0");
  CHECK(contains(message({.momentum = -0.5}), "SGD: momentum is -0.5"));
  CHECK(contains(message({.momentum = nan}), "SGD: momentum is nan"));
  CHECK(contains(message({.momentum = 0.5, .dampening = nan}), "SGD: dampening is nan"));
  CHECK(contains(message({.weight_decay = -0.1}), "SGD: weight_decay is -0.1"));
  CHECK(contains(message({.nesterov = true}), "expected momentum > 0, dampening 0"));
  CHECK(contains(message({.momentum = 0.9, .dampening = 0.1, .nesterov = true}), "dampening 0.1"));
  CHECK_NOTHROW(optim::SGD(set, {.lr = 0}));
}
