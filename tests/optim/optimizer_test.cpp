#include <unroll/optim/optimizer.h>

#include <functional>
#include <limits>
#include <random>

#include <unroll/autograd/error.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/sgd.h>
#include <unroll/tests/optim/optimizer_cases.h>

using namespace unroll;

namespace {

using State = std::map<std::string, Tensor>;
using Maker = std::function<std::unique_ptr<optim::Optimizer>(const ParameterSet&)>;

/// One optimiser of every kind.
std::vector<std::pair<std::string, Maker>> makers() {
  return {
      {"SGD", [](const auto& s) { return std::make_unique<optim::SGD>(s); }},
      {"SGD with decay",
       [](const auto& s) {
         return std::make_unique<optim::SGD>(s, optim::SGDOptions{.lr = 0.1, .weight_decay = 0.1});
       }},
      {"SGD with momentum",
       [](const auto& s) {
         return std::make_unique<optim::SGD>(
             s, optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.2});
       }},
      {"Adam", [](const auto& s) { return std::make_unique<optim::Adam>(s); }},
      {"Adam with everything",
       [](const auto& s) {
         return std::make_unique<optim::Adam>(
             s, optim::AdamOptions{.lr = 0.1, .weight_decay = 0.1, .amsgrad = true});
       }},
      {"AdamW", [](const auto& s) { return std::make_unique<optim::AdamW>(s); }},
  };
}

Tensor random_tensor(const Shape& shape, Dtype dtype, std::uint32_t seed) {
  std::mt19937 generator(seed);
  Tensor result(shape, Dtype::float64);
  for (double& x : result.mutable_data<double>()) x = double(generator()) / 0x1p31 - 1;
  return result.to(dtype);
}

Gradients gradients_of_step(const ParameterSet& set, std::size_t step) {
  return recorded_gradients(set, optimizer_cases().at("gradients").at(step));
}

void check_identical(const State& a, const State& b) {
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    INFO(name);
    REQUIRE(b.contains(name));
    CHECK(tensor.identical(b.at(name)));
  }
}

void check_identical(const ParameterSet& a, const ParameterSet& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].name());
    CHECK(a[i].value().identical(b[i].value()));
  }
}

State values_of(const ParameterSet& set) {
  State values;
  for (const Parameter& p : set) values.emplace(p.name(), p.value());
  return values;
}

}  // namespace

TEST_CASE("sparse gradients give the result of their dense form") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  // Rows that end inside a vector, and a table of several parallel pieces.
  const Shape shape = GENERATE(Shape{40, 7}, Shape{3000, 13});
  const auto rows = static_cast<std::uint32_t>(shape[0]);
  for (const auto& [kind, make] : makers()) {
    INFO(kind << ", " << name_of(dtype) << " " << to_string(shape));
    ParameterSet dense_set(0, dtype);
    ParameterSet sparse_set(0, dtype);
    dense_set.create("table", random_tensor(shape, dtype, 1));
    sparse_set.create("table", random_tensor(shape, dtype, 1));
    const auto dense = make(dense_set);
    const auto sparse = make(sparse_set);
    for (std::uint32_t step = 0; step < 12; ++step) {
      // The first and the last row are among them now and then; step 5 has no row at all.
      SparseRows given;
      std::mt19937 generator(step);
      for (std::uint32_t k = 0; step != 5 && k < rows / 3; ++k) {
        given.ids.push_back(static_cast<std::int32_t>(generator() % rows));
      }
      if (step % 3 == 0) given.ids.insert(given.ids.end(), {0, int(rows) - 1, 0});
      given.rows =
          random_tensor({static_cast<std::int64_t>(given.ids.size()), shape[1]}, dtype, step + 100);
      const Gradient gradient{std::nullopt, given};
      Gradients as_rows(sparse_set);
      as_rows.set(0, gradient);
      sparse->step(as_rows);
      Gradients as_tensor(dense_set);
      as_tensor.set(0, {gradient.to_dense(shape, dtype), {}});
      dense->step(as_tensor);
    }
    check_identical(dense_set, sparse_set);
    check_identical(dense->state(), sparse->state());
  }
}

TEST_CASE("a gradient without rows counts as zero, whatever its empty tensor is") {
  ParameterSet set;
  set.create("table", Tensor::full(Shape{2, 2}, 1));
  optim::SGD sgd(set, {.lr = 0.1, .weight_decay = 0.5});
  Gradients gradients(set);
  gradients.set(0, Gradient{});
  sgd.step(gradients);
  CHECK(set[0].value().at(3) == Approx(0.95));
}

TEST_CASE("a snapshot of the state continues exactly, in another optimiser too") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  for (const auto& [kind, make] : makers()) {
    INFO(kind);
    const ParameterSet set = recorded_parameters(dtype);
    const auto optimizer = make(set);
    std::size_t step = 0;
    for (; step < 6; ++step) optimizer->step(gradients_of_step(set, step));
    const State saved = optimizer->state();
    const ParameterSet resumed_set = recorded_parameters(dtype);
    for (std::size_t i = 0; i < set.size(); ++i) resumed_set[i].assign(set[i].value());
    for (; step < 14; ++step) optimizer->step(gradients_of_step(set, step));

    const auto resumed = make(resumed_set);
    resumed->load_state(saved);
    CHECK(resumed->steps() == 6);
    check_identical(resumed->state(), saved);
    for (step = 6; step < 14; ++step) resumed->step(gradients_of_step(resumed_set, step));
    check_identical(resumed_set, set);
    check_identical(resumed->state(), optimizer->state());
  }
}

TEST_CASE("load_state lists all that does not fit and changes nothing") {
  const ParameterSet set = recorded_parameters(Dtype::float32);
  optim::Adam adam(set);
  adam.step(gradients_of_step(set, 2));
  const State before = adam.state();
  const auto message = [&](const State& state) {
    CHECK_THROWS_AS(adam.load_state(state), ValueError);
    check_identical(adam.state(), before);
    CHECK(adam.steps() == 1);
    return thrown_message([&] { adam.load_state(state); });
  };

  State state = before;
  state.erase("bias.exp_avg");
  state.erase("step");
  state.emplace("other.exp_avg", Tensor(Shape{3}));
  state["table.exp_avg_sq"] = Tensor(Shape{2, 4});
  CHECK(message(state) ==
        "Adam::load_state: the state does not fit; missing bias.exp_avg, step; "
        "unexpected other.exp_avg; got table.exp_avg_sq as float32 [2, 4] instead of "
        "float32 [4, 2]");

  state = before;
  state["bias.exp_avg"] = Tensor(Shape{3}, Dtype::float64);
  CHECK(contains(message(state), "bias.exp_avg as float64 [3] instead of float32 [3]"));
  for (const double count : {-1., 0.5, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    state = before;
    state["bias.step"] = Tensor::scalar(count, Dtype::float64);
    CHECK(contains(message(state), "bias.step"));
  }
  CHECK(contains(message({}), "and 5 more"));
}

TEST_CASE("NaN and infinity are refused before anything changes") {
  const auto dtype = GENERATE(Dtype::float32, Dtype::float64);
  const double bad =
      GENERATE(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
               -std::numeric_limits<double>::infinity());
  for (const auto& [kind, make] : makers()) {
    INFO(kind << ", " << bad);
    const ParameterSet set = recorded_parameters(dtype);
    const auto optimizer = make(set);
    optimizer->step(gradients_of_step(set, 2));
    const State values = values_of(set);
    const State state = optimizer->state();
    const std::uint64_t version = set.at("table").version();

    Gradients gradients = gradients_of_step(set, 3);
    gradients.set(set.at("table").index(), {Tensor::full(Shape{4, 2}, bad, dtype), {}});
    gradients.set(set.at("weight").index(), {Tensor::full(Shape{3, 5}, bad, dtype), {}});
    CHECK_THROWS_AS(optimizer->step(gradients), NumericError);
    const std::string first =
        set.at("table").index() < set.at("weight").index() ? "table" : "weight";
    CHECK(contains(thrown_message([&] { optimizer->step(gradients); }),
                   "::step: the gradient of " + first + " holds "));

    gradients = gradients_of_step(set, 3);
    Tensor rows(Shape{2, 2}, Dtype::float64);
    rows.mutable_data<double>()[3] = bad;
    gradients.set(set.at("table").index(), {std::nullopt, {{3, 1}, rows.to(dtype)}});
    CHECK_THROWS_AS(optimizer->step(gradients), NumericError);

    check_identical(values_of(set), values);
    check_identical(optimizer->state(), state);
    CHECK(optimizer->steps() == 1);
    CHECK(set.at("table").version() == version);
  }
}

TEST_CASE("the check for NaN finds one element among many, and can be turned off") {
  ParameterSet set;
  set.create("small", Tensor(Shape{3}));
  set.create("large", Tensor(Shape{100003}));
  Gradients gradients(set);
  gradients.set(0, {Tensor(Shape{3}), {}});
  for (const std::int64_t at : {0, 16384, 99999, 100002}) {
    Tensor gradient(Shape{100003});
    gradient.mutable_data<float>()[static_cast<std::size_t>(at)] = -INFINITY;
    gradients.set(1, {gradient, {}});
    optim::SGD careful(set);
    CHECK(thrown_message([&] { careful.step(gradients); }) ==
          "SGD::step: the gradient of large holds -inf; expected finite numbers (nothing was "
          "updated)");
  }
  optim::SGD careless(set, {.check_finite = false});
  careless.step(gradients);
  CHECK(std::isinf(set[1].value().at(100002)));
}

TEST_CASE("gradients that do not fit are refused before anything changes") {
  const ParameterSet set = recorded_parameters(Dtype::float32);
  const ParameterSet other = recorded_parameters(Dtype::float32);
  optim::Adam adam(set);
  adam.step(gradients_of_step(set, 2));
  const State values = values_of(set);
  const State state = adam.state();
  const std::size_t table = set.at("table").index();
  const auto message = [&](const Gradient& gradient) {
    Gradients gradients = gradients_of_step(set, 3);
    gradients.set(table, gradient);
    return thrown_message([&] { adam.step(gradients); });
  };
  const auto rows = [&](RecycledVector<std::int32_t> ids, const Tensor& tensor) {
    return message({std::nullopt, {std::move(ids), tensor}});
  };

  CHECK_THROWS_AS(adam.step(gradients_of_step(other, 3)), ValueError);
  CHECK_THROWS_AS(adam.step(Gradients{}), ValueError);
  CHECK(message({Tensor(Shape{2, 4}), {}}) ==
        "Adam::step: table is float32 [4, 2]; got a gradient of [2, 4]");
  CHECK(message({Tensor(Shape{4, 2}, Dtype::float64), {}}) ==
        "Adam::step: table is float32 [4, 2]; got a gradient in float64");
  CHECK(contains(rows({4}, Tensor(Shape{1, 2})), "got a gradient for row 4"));
  CHECK(contains(rows({-1}, Tensor(Shape{1, 2})), "got a gradient for row -1"));
  CHECK(contains(rows({0, 1}, Tensor(Shape{1, 2})), "the gradient of 2 rows as [1, 2]"));
  CHECK(contains(rows({0}, Tensor(Shape{1, 3})), "the gradient of 1 rows as [1, 3]"));
  CHECK(contains(rows({0}, Tensor(Shape{1, 2}, Dtype::float64)), "gradient in float64"));
  check_identical(values_of(set), values);
  check_identical(adam.state(), state);
}

TEST_CASE("parameters converted under an optimiser with moments are refused") {
  ParameterSet set = recorded_parameters(Dtype::float32);
  optim::Adam adam(set);
  set.to(Dtype::float64);
  CHECK_THROWS_AS(adam.step(gradients_of_step(set, 2)), StateError);
  CHECK(adam.steps() == 0);
}

TEST_CASE("optimisers can share a set, each with a selection of its parameters") {
  const ParameterSet set = recorded_parameters(Dtype::float64);
  const std::vector<Parameter> biases{set.at("bias"), set.at("scale")};
  optim::SGD sgd(biases, {.lr = 1});
  CHECK(sgd.parameters().size() == 2);
  const State before = values_of(set);
  sgd.step(gradients_of_step(set, 2));
  CHECK(set.at("weight").value().identical(before.at("weight")));
  CHECK_FALSE(set.at("bias").value().identical(before.at("bias")));

  CHECK(contains(thrown_message([&] {
                   optim::SGD(std::vector<Parameter>{biases[0], biases[0]});
                 }),
                 "parameter bias comes twice"));
  CHECK_THROWS_AS(optim::SGD(std::vector<Parameter>(1)), ValueError);
}

TEST_CASE("set_lr takes what the constructor takes") {
  const ParameterSet set = recorded_parameters(Dtype::float32);
  optim::Adam adam(set, {.lr = 0.5});
  CHECK(adam.lr() == 0.5);
  adam.set_lr(0);
  CHECK(adam.lr() == 0);
  for (const double bad : {-1., std::numeric_limits<double>::quiet_NaN(), INFINITY * 1.}) {
    CHECK_THROWS_AS(adam.set_lr(bad), ValueError);
  }
  CHECK(contains(thrown_message([&] { adam.set_lr(-2); }), "Adam::set_lr: lr is -2; expected"));
  CHECK(adam.lr() == 0);
}

TEST_CASE("parameters without elements are no problem") {
  ParameterSet set;
  set.create("empty", Tensor(Shape{0, 3}));
  set.create("narrow", Tensor(Shape{3, 0}));
  for (const auto& [kind, make] : makers()) {
    const auto optimizer = make(set);
    Gradients gradients(set);
    gradients.set(0, {Tensor(Shape{0, 3}), {}});
    gradients.set(1, {std::nullopt, {{1}, Tensor(Shape{1, 0})}});
    optimizer->step(gradients);
    CHECK(optimizer->steps() == 1);
  }
}
