// Numbers that go wrong: a NaN or an infinity put into an argument, a parameter, an activation or
// an upstream gradient of any call is found in the same training step, which names its origin and
// changes nothing.
#include <algorithm>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/non_finite.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/tests/faults/calls.h>
#include <unroll/tests/support/catch.h>
#include <unroll/train/fit.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Kind { none, argument, parameter, activation, upstream };

struct Place {
  Kind kind = Kind::none;
  std::size_t index = 0;  ///< of the argument or parameter
  double value = 0;
};

Tensor with_bad_element(Tensor tensor, double value) {
  if (tensor.size() > 0) tensor.mutable_data<float>()[0] = static_cast<float>(value);
  return tensor;
}

/// The loss of a call whose floating arguments are multiplied by a parameter.
Variable loss_of(World& world, const Call& call, Tape& tape, const Place& place) {
  const Parameter& scale = world.parameters.at("scale");
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    if (call.arguments[i].kind != Argument::Kind::array) continue;
    Tensor value = call.arguments[i].value;
    const bool floating = is_floating(value.dtype());
    if (floating && place.kind == Kind::argument && place.index == i) {
      value = with_bad_element(value, place.value);
    }
    world.variables[i] = tape.input(value);
    if (floating) world.variables[i] = world.variables[i] * scale;
  }
  Variable total = sum(square(tape.use(scale)));
  for (const Variable& y : call.call(world).variables) {
    if (!is_floating(y.dtype())) continue;
    if (place.kind == Kind::activation) {
      total = total + sum(log(y * 0.0 - 1.0));
    } else if (place.kind == Kind::upstream) {
      total = total + sum(sqrt(abs(y - detach(y))));  // 0, with a derivative that is not finite
    } else {
      total = total + mean(y);
    }
  }
  return total;
}

struct Outcome {
  bool found = false;
  std::string message;
  bool unchanged = false;
  bool finite = true;  ///< the parameters afterwards
  train::FitSummary summary;
};

std::string state_of(const World& world, const optim::Optimizer& optimizer) {
  std::string text = std::to_string(optimizer.lr());
  for (const Parameter& p : world.parameters) text += fingerprint(p.value());
  for (const auto& [name, tensor] : optimizer.state()) text += name + fingerprint(tensor);
  return text;
}

Outcome train_one_step(const Call& call, const Place& place, train::NonFinite policy) {
  World world(call);
  world.parameters.create("scale", Tensor::scalar(1));
  if (place.kind == Kind::parameter) {
    const Parameter& p = world.parameters[place.index];
    p.assign(with_bad_element(p.value(), place.value));
  }
  optim::Adam adam(world.parameters, {.lr = 0.01});
  const train::Task task{
      .batches = [](int) { return train::Batches{{0}}; },
      .loss = [&](Tape& tape, train::Examples) { return loss_of(world, call, tape, place); }};
  const std::string before = state_of(world, adam);
  Outcome outcome;
  try {
    outcome.summary = train::fit(world.parameters, adam, task,
                                 {.epochs = 1,
                                  .non_finite = policy,
                                  .learning_rate = [](const train::Moment&) { return 0.02; },
                                  .parallel = {.shards = 1, .threads = 1},
                                  .quiet = true});
  } catch (const NumericError& error) {
    outcome.found = true;
    outcome.message = error.what();
  }
  outcome.unchanged = state_of(world, adam) == before;
  for (const Parameter& p : world.parameters) {
    outcome.finite = outcome.finite && std::ranges::all_of(p.value().data<float>(), [](float x) {
                       return std::isfinite(x);
                     });
  }
  return outcome;
}

/// Empty if the call has no gradient, or cannot be used so.
std::vector<Place> places_of(const Call& call) {
  const bool floating = std::ranges::any_of(call.arguments, [](const Argument& argument) {
    return argument.kind == Argument::Kind::array && is_floating(argument.value.dtype());
  });
  if (!floating) return {};
  try {
    if (train_one_step(call, {}, train::NonFinite::stop).found) return {};
  } catch (const Error&) {
    return {};
  }
  std::vector<Place> places{{Kind::activation}, {Kind::upstream}};
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const Argument& argument = call.arguments[i];
    if (argument.kind != Argument::Kind::array || !is_floating(argument.value.dtype())) continue;
    for (const double bad : {kNan, kInfinity, -kInfinity}) {
      places.push_back({Kind::argument, i, bad});
    }
  }
  World world(call);
  for (std::size_t k = 0; k < world.parameters.size(); ++k) {
    for (const double bad : {kNan, kInfinity}) places.push_back({Kind::parameter, k, bad});
  }
  return places;
}

}  // namespace

TEST_CASE("what is not finite is found in its step, and named", "[faults]") {
  int found = 0;
  for (const Call& call : all_calls()) {
    for (const Place& place : places_of(call)) {
      INFO(call.function << ", kind " << static_cast<int>(place.kind) << " " << place.index << ": "
                         << place.value);
      const Outcome stop = train_one_step(call, place, train::NonFinite::stop);
      INFO(stop.message);
      if (!stop.found) {
        // It has no influence, like -inf in relu or a weight of a gate that is shut.
        CHECK((stop.finite || place.kind == Kind::parameter));
        CHECK(stop.summary.steps == 1);
        continue;
      }
      ++found;
      CHECK(stop.unchanged);
      CHECK(contains(stop.message, "it began at "));
      const bool ours =
          contains(stop.message, "_calls.cpp:") || contains(stop.message, "non_finite_test.cpp:");
      CHECK((ours || contains(stop.message, "parameter")));
      CHECK(contains(stop.message, "float32 ["));
      const Outcome skip = train_one_step(call, place, train::NonFinite::skip);
      CHECK(!skip.found);
      CHECK(skip.unchanged);
      CHECK(skip.summary.skipped == 1);
      CHECK(skip.summary.steps == 0);
    }
  }
  CHECK(found >= 870);
}

TEST_CASE("the origin is where finite operands gave what is not", "[faults]") {
  Tape tape;
  ParameterSet parameters;
  const Parameter w = parameters.create("w", Tensor(Shape{2}, {1.0f, 2.0f}));
  const Variable x = tape.input(Tensor(Shape{2}, {100.0f, 1.0f}));
  const Variable huge = exp(x * w);
  const int line = __LINE__ - 1;
  const Variable loss = sum(huge - huge);
  const std::string before = to_string(tape);
  const std::string found = find_non_finite(loss, parameters);
  INFO(found);
  CHECK(contains(found, "non_finite_test.cpp:" + std::to_string(line) +
                            ": exp: float32 [2] holds "
                            "inf at [0]; computed from float32 [2]"));
  CHECK(to_string(tape) == before);
  CHECK(std::isnan(loss.item()));

  const Variable root = sum(sqrt(tape.use(w) * 0.0));
  const std::string derivative = find_non_finite(root, parameters);
  INFO(derivative);
  CHECK(contains(derivative, "non_finite_test.cpp:" + std::to_string(__LINE__ - 3)));
  CHECK(contains(derivative, "in the derivative"));
  CHECK(find_non_finite(sum(tape.use(w) * x), parameters).empty());
}

TEST_CASE("a rate of 1e30 is refused by the step that would overflow", "[faults]") {
  const auto check = [](auto make) {
    ParameterSet parameters;
    const Parameter w = parameters.create("w", Tensor(Shape{2}, {1e10f, 2.0f}));
    auto optimizer = make(parameters);
    const auto step = [&] {
      Tape tape;
      optimizer.step(gradients(sum(square(square(square(tape.use(w))))), parameters));
    };
    const std::string before = fingerprint(w.value());
    const auto state = optimizer.state();
    CHECK_THROWS_AS(step(), NumericError);
    CHECK(contains(thrown_message(step), "w"));
    CHECK(fingerprint(w.value()) == before);
    for (const auto& [name, tensor] : optimizer.state()) {
      INFO(name);
      CHECK(tensor.identical(state.at(name)));
    }
    w.assign(Tensor(Shape{2}, {1.0f, 2.0f}));
    optimizer.set_lr(0.01);
    step();
    CHECK(fingerprint(w.value()) != before);
  };
  check([](const ParameterSet& p) { return optim::SGD(p, {.lr = 1e30}); });
  check([](const ParameterSet& p) { return optim::SGD(p, {.lr = 1e30, .momentum = 0.9}); });
  check([](const ParameterSet& p) { return optim::Adam(p, {.lr = 1e30}); });
  check([](const ParameterSet& p) { return optim::AdamW(p, {.lr = 1e30}); });
}

TEST_CASE("a finite gradient whose square overflows is refused", "[faults]") {
  ParameterSet parameters;
  const Parameter w = parameters.create("w", Tensor(Shape{1}, {1.0f}));
  optim::Adam adam(parameters, {.lr = 1e-3});
  Tape tape;
  const Gradients found = gradients(sum(tape.use(w) * 1e25), parameters);
  CHECK(found.finite());
  CHECK_THROWS_AS(adam.step(found), NumericError);
  CHECK(adam.state().at("w.exp_avg_sq").item() == 0);
  CHECK(w.value().item() == 1);
}

TEST_CASE("skipping ends after as many in a row as are allowed", "[faults]") {
  ParameterSet parameters;
  const Parameter w = parameters.create("w", Tensor(Shape{1}, {1.0f}));
  optim::SGD sgd(parameters, {.lr = 0.1});
  int calls = 0;
  const train::Task task{.batches = [](int) { return train::Batches(10, {0}); },
                         .loss =
                             [&](Tape& tape, train::Examples) {
                               const bool bad = ++calls % 2 == 0 || calls > 6;
                               return sum(log(tape.use(w) * (bad ? -1.0 : 1.0)));
                             }};
  train::FitOptions options{.epochs = 1,
                            .non_finite = train::NonFinite::skip,
                            .parallel = {.shards = 1, .threads = 1},
                            .quiet = true};
  const train::FitSummary summary = train::fit(parameters, sgd, task, options);
  CHECK(summary.steps == 3);
  CHECK(summary.skipped == 7);
  calls = 0;
  w.assign(Tensor(Shape{1}, {1.0f}));
  options.most_skipped = 3;
  CHECK_THROWS_AS(train::fit(parameters, sgd, task, options), NumericError);
  CHECK(calls == 9);  // 7 and 8 go with 6, and 9 is one too many
}
