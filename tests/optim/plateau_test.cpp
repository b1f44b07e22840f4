#include <unroll/optim/plateau.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;
using optim::PlateauOptions;
using optim::ReduceOnPlateau;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

PlateauOptions options_from(const nlohmann::json& recorded) {
  PlateauOptions options{.lr = 0.5};
  if (recorded.value("mode", "min") == "max") options.mode = PlateauOptions::Mode::max;
  if (recorded.value("threshold_mode", "rel") == "abs") {
    options.threshold_mode = PlateauOptions::ThresholdMode::absolute;
  }
  options.factor = recorded.value("factor", options.factor);
  options.patience = recorded.value("patience", options.patience);
  options.threshold = recorded.value("threshold", options.threshold);
  options.cooldown = recorded.value("cooldown", options.cooldown);
  options.min_lr = recorded.value("min_lr", options.min_lr);
  options.eps = recorded.value("eps", options.eps);
  return options;
}

double metric(std::size_t epoch) {
  const nlohmann::json& recorded = optimizer_cases().at("metrics").at(epoch);
  return recorded.is_null() ? kNaN : recorded.get<double>();
}

}  // namespace

TEST_CASE("ReduceOnPlateau does what PyTorch's ReduceLROnPlateau does, across a restart too") {
  for (const auto& run : optimizer_cases().at("plateaus")) {
    INFO(run.at("options").dump());
    const std::vector<double> expected = run.at("lr");
    CHECK(expected.front() > expected.back());
    ReduceOnPlateau plateau(options_from(run.at("options")));
    for (std::size_t epoch = 0; epoch < expected.size(); ++epoch) {
      INFO("epoch " << epoch);
      CHECK(plateau.step(metric(epoch)) == Approx(expected[epoch]).epsilon(1e-14));
      CHECK(plateau.lr() == Approx(expected[epoch]).epsilon(1e-14));
      ReduceOnPlateau restarted(options_from(run.at("options")));
      restarted.load_state(plateau.state());
      plateau = restarted;
    }
  }
}

TEST_CASE("ReduceOnPlateau: an untouched state can be saved") {
  ReduceOnPlateau plateau({.lr = 0.5, .patience = 0});
  const auto start = plateau.state();
  CHECK(std::isinf(start.at("best").item()));
  plateau.step(1);
  plateau.step(1);
  CHECK(plateau.lr() == Approx(0.05));
  CHECK(plateau.best() == 1);
  plateau.load_state(start);
  CHECK(plateau.lr() == 0.5);
  CHECK(plateau.step(2) == 0.5);
}

TEST_CASE("ReduceOnPlateau refuses bad options and states") {
  const auto message = [](const PlateauOptions& options) {
    CHECK_THROWS_AS(ReduceOnPlateau(options), ValueError);
    return thrown_message([&] { ReduceOnPlateau plateau(options); });
  };
  CHECK(message({.lr = kNaN}) == "ReduceOnPlateau: lr is nan; expected a finite number >= 0");
  CHECK(message({.factor = 1}) == "ReduceOnPlateau: factor is 1; expected a number in [0, 1)");
  CHECK(message({.patience = -1}) == "ReduceOnPlateau: patience is -1; expected an integer >= 0");
  CHECK(contains(message({.threshold = -1}), "threshold is -1"));
  CHECK(contains(message({.cooldown = -3}), "cooldown is -3"));
  CHECK(contains(message({.min_lr = kNaN}), "min_lr is nan"));
  CHECK(contains(message({.eps = -1}), "eps is -1"));

  ReduceOnPlateau plateau({.lr = 0.5});
  plateau.step(3);
  const auto good = plateau.state();
  const auto scalar = [](double value) { return Tensor::scalar(value, Dtype::float64); };
  std::vector<std::map<std::string, Tensor>> bad(7, good);
  bad[0].erase("best");
  bad[1].emplace("worst", scalar(1));
  bad[2]["lr"] = scalar(-1);
  bad[3]["best"] = scalar(kNaN);
  bad[4]["bad_epochs"] = scalar(0.5);
  bad[5]["cooldown_left"] = Tensor(Shape{1}, Dtype::float64);
  bad[6]["lr"] = Tensor::scalar(1);
  for (const auto& state : bad) {
    CHECK_THROWS_AS(plateau.load_state(state), ValueError);
    CHECK(plateau.lr() == 0.5);
    CHECK(plateau.best() == 3);
  }
}
