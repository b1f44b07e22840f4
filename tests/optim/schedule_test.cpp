#include <unroll/optim/schedule.h>

#include <limits>
#include <map>

#include <unroll/autograd/error.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;

namespace {

void check_schedule(const std::string& name, const optim::Schedule& schedule) {
  const std::vector<double> expected = optimizer_cases().at("schedules").at(name);
  REQUIRE(expected.size() >= 20);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    INFO(name << ", step " << step);
    CHECK(schedule(static_cast<std::int64_t>(step)) ==
          Approx(expected[step]).epsilon(1e-12).margin(1e-15));
  }
}

}  // namespace

TEST_CASE("schedules give the learning rates of PyTorch's schedulers") {
  const optim::StepLR steps{.lr = 0.5, .step_size = 4, .gamma = 0.3};
  const optim::CosineLR cosine{.lr = 0.5, .steps = 20, .minimum = 0.01};
  const optim::ExponentialLR exponential{.lr = 0.5, .gamma = 0.9};
  const auto warmed = [](const optim::Schedule& then) {
    return optim::WarmUp{.steps = 6, .then = then, .start_factor = 0.25};
  };
  const std::map<std::string, optim::Schedule> schedules{
      {"step", steps},
      {"step, every one", optim::StepLR{.lr = 0.5, .step_size = 1, .gamma = 0.8}},
      {"exponential", exponential},
      {"cosine", cosine},
      {"cosine to 0", optim::CosineLR{.lr = 0.5, .steps = 24}},
      {"warm-up, constant", warmed(optim::ConstantLR{.lr = 0.5})},
      {"warm-up, exponential", warmed(exponential)},
      {"warm-up, cosine", warmed(cosine)},
      {"warm-up, step", warmed(steps)},
      {"inverse square root",
       optim::WarmUp{.steps = 6, .then = optim::InverseSquareRootLR{.lr = 0.5, .offset = 6}}}};
  CHECK(schedules.size() == optimizer_cases().at("schedules").size());
  for (const auto& [name, schedule] : schedules) check_schedule(name, schedule);
}

TEST_CASE("schedules at their ends") {
  const optim::CosineLR cosine{.lr = 0.5, .steps = 20, .minimum = 0.01};
  CHECK(cosine(0) == 0.5);
  CHECK(cosine(20) == 0.01);
  CHECK(cosine(1000) == 0.01);
  CHECK(optim::ConstantLR{.lr = 0.2}(7) == 0.2);
  const optim::WarmUp none{.steps = 0, .then = cosine};
  CHECK(none(0) == 0.5);
  const optim::WarmUp warm{.steps = 4, .then = optim::ConstantLR{.lr = 0.8}};
  CHECK(warm(0) == 0);
  CHECK(warm(1) == Approx(0.2));
  CHECK(warm(4) == 0.8);
  CHECK(optim::StepLR{.lr = 1}(std::numeric_limits<std::int64_t>::max()) == 0);
}

TEST_CASE("schedules refuse fields and steps that make no sense") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::pair<optim::Schedule, std::string>> bad{
      {optim::ConstantLR{.lr = nan}, "ConstantLR: lr is nan"},
      {optim::StepLR{.step_size = 0}, "StepLR: step_size is 0; expected an integer >= 1"},
      {optim::StepLR{.gamma = -1}, "StepLR: gamma is -1"},
      {optim::ExponentialLR{.gamma = nan}, "ExponentialLR: gamma is nan"},
      {optim::CosineLR{.steps = 0}, "CosineLR: steps is 0"},
      {optim::CosineLR{.steps = 9, .minimum = -1}, "CosineLR: minimum is -1"},
      {optim::InverseSquareRootLR{.offset = 0}, "InverseSquareRootLR: offset is 0"},
      {optim::WarmUp{.steps = -1}, "WarmUp: steps is -1"},
      {optim::WarmUp{.steps = 1, .start_factor = nan}, "WarmUp: start_factor is nan"},
      {optim::WarmUp{.steps = 1, .then = nullptr}, "WarmUp: then is empty"},
      {optim::WarmUp{.steps = 1, .then = optim::StepLR{.lr = -1}}, "StepLR: lr is -1"},
  };
  for (const auto& [schedule, message] : bad) {
    CHECK_THROWS_AS(schedule(0), ValueError);
    CHECK(contains(thrown_message([&, &s = schedule] { s(0); }), message));
  }
  const std::vector<optim::Schedule> good{optim::ConstantLR{},    optim::StepLR{},
                                          optim::ExponentialLR{}, optim::CosineLR{},
                                          optim::WarmUp{},        optim::InverseSquareRootLR{}};
  for (const optim::Schedule& schedule : good) {
    CHECK_NOTHROW(schedule(0));
    CHECK_THROWS_AS(schedule(-1), ValueError);
  }
}
