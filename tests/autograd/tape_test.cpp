// Recording, values on demand, handles, parameters on a tape.
#include <cmath>
#include <optional>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

bool computed(const Variable& v) { return v.state().values[v.index()] != nullptr; }

}  // namespace

TEST_CASE("recording knows types and computes nothing", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}, Dtype::float64));
  const Variable y = tanh(x + 1.0), z = sum(y, 0);
  CHECK(tape.size() == 5);  // input, constant, add, tanh, sum
  CHECK(y.shape() == Shape{2, 3});
  CHECK(z.shape() == Shape{3});
  CHECK(z.dtype() == Dtype::float64);
  CHECK_FALSE(computed(y));
  CHECK_FALSE(computed(z));
  CHECK(tape.memory_bytes() == 0);
}

TEST_CASE("a value is computed when somebody asks, with what it needs and no more", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(0.5, Dtype::float64));
  const Variable a = tanh(x), b = sin(a), unrelated = exp(x), c = b * 2.0;
  CHECK(b.item() == Approx(std::sin(std::tanh(0.5))).epsilon(1e-15));
  CHECK(computed(a));
  CHECK(computed(b));
  CHECK_FALSE(computed(unrelated));
  CHECK_FALSE(computed(c));
}

TEST_CASE("eager mode computes while it records, the same bits", "[tape]") {
  const ParameterSet parameters = program_parameters(Dtype::float32);
  std::vector<Tensor> found;
  for (const bool eager : {false, true}) {
    Tape tape({.eager = eager});
    const Variable y = random_program(tape, parameters, 4);
    CHECK(computed(y) == eager);
    found.push_back(y.value());
  }
  CHECK(found[0].identical(found[1]));
}

TEST_CASE("a tape prints its nodes with places", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {1.0f, 2.0f}));
  const Variable y = x + x;
  const std::string line = ":" + std::to_string(__LINE__ - 1) + "\n";
  CHECK(to_string(tape).starts_with("%0 = input() : float32 [2] computed  # "));
  CHECK(contains(to_string(tape), "%1 = add(%0, %0) : float32 [2]  # "));
  CHECK(contains(to_string(tape), "tape_test.cpp" + line));
  y.value();
  CHECK(contains(to_string(tape), "%1 = add(%0, %0) : float32 [2] computed"));
}

TEST_CASE("numbers take the dtype of the tensor beside them", "[tape]") {
  Tape tape;
  const Variable f = tape.input(Tensor(Shape{1}, {3.0f}));
  const Variable d = tape.input(Tensor(Shape{1}, {3.0}));
  const Variable i = tape.input(Tensor(Shape{1}, {3}));
  const Variable mask = tape.input(Tensor(Shape{1}, {true}));
  CHECK((f * 2.0).dtype() == Dtype::float32);
  CHECK((1.0 - d).dtype() == Dtype::float64);
  CHECK((1.0 - d).item() == -2);
  CHECK((i + 4.0).dtype() == Dtype::int32);
  CHECK((i + 4.0).item() == 7);
  CHECK_THROWS_AS(i * 2.5, DtypeError);
  CHECK_THROWS_AS(i < 3e9, DtypeError);
  CHECK_THROWS_AS(i + std::nan(""), DtypeError);
  CHECK(where(mask, d, 0.0).dtype() == Dtype::float64);
}

TEST_CASE("constants have every dtype and no gradient", "[tape]") {
  Tape tape;
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::bool_}) {
    const Variable c = tape.constant(1, dtype, {2, 2});
    CHECK(c.dtype() == dtype);
    CHECK(c.value().identical(Tensor::full({2, 2}, 1, dtype)));
  }
  const Variable x = tape.input(Tensor::scalar(2, Dtype::float64));
  CHECK(constant_like(x, 7, Dtype::float64, {3}).value().at(2) == 7);
}

TEST_CASE("a parameter has one leaf per tape", "[tape]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("p", Tensor::scalar(3));
  Tape tape;
  const Variable first = tape.use(p);
  const Variable y = first * p + p;
  CHECK(tape.use(p).same_node(first));
  CHECK(tape.size() == 3);
  CHECK(y.item() == 12);
  CHECK(gradients(y, parameters)[p].item() == 7);
}

TEST_CASE("a parameter that changes after it was recorded is an error that says so", "[tape]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("decoder.bias", Tensor(Shape{2}, {1.0, 2.0}));
  for (const bool eager : {false, true}) {
    Tape tape({.eager = eager});
    const Variable leaf = tape.use(p), view = reshape(leaf, {2, 1}), before = sum(leaf * p);
    view.value();
    const double kept = before.item();
    const Variable pending = eager ? Variable() : tanh(leaf);
    p.update<double>()[0] += 1;
    CHECK(before.item() == kept);  // computed in time
    CHECK_THROWS_AS(leaf.value(), StateError);
    CHECK_THROWS_AS(view.value(), StateError);
    if (!eager) CHECK_THROWS_AS(pending.value(), StateError);
    const std::string message = thrown_message([&] { tanh(leaf).value(); });
    CHECK(contains(message, "decoder.bias"));
    CHECK(contains(message, "tape_test.cpp"));
    tape.reset();
    CHECK(tape.use(p).value().at(0) == p.value().at(0));

    const Variable again = tape.use(p);
    p.assign(Tensor(Shape{2}, {5.0, 6.0}));  // its old memory is gone
    CHECK_THROWS_AS(again.value(), StateError);
  }
}

TEST_CASE("reset makes handles stale and keeps memory", "[tape]") {
  Tape tape({.seed = 5});
  const Variable x = tape.input(Tensor(Shape{100}, Dtype::float64)), y = tanh(x);
  y.value();
  const std::size_t bytes = tape.memory_bytes();
  tape.reset();
  CHECK(tape.size() == 0);
  CHECK(tape.memory_bytes() == bytes);
  CHECK(tape.options().seed == 5);
  CHECK_THROWS_AS(y.value(), StateError);
  CHECK_THROWS_AS(y.shape(), StateError);
  CHECK_THROWS_AS(tanh(x), StateError);
  CHECK(contains(thrown_message([&] { y.value(); }), "before the last Tape::reset"));
  const Variable fresh = tape.input(Tensor(Shape{100}, Dtype::float64));
  CHECK_THROWS_AS(fresh + y, StateError);
  CHECK(fresh.defined());
  tape.reset(9);
  CHECK(tape.options().seed == 9);
}

TEST_CASE("variables outlive their tape as errors", "[tape]") {
  std::optional<Tape> tape(std::in_place);
  const Variable x = tape->input(Tensor::scalar(1)), y = tanh(x);
  tape.reset();
  CHECK_THROWS_AS(y.value(), StateError);
  CHECK_THROWS_AS(x + x, StateError);
  CHECK(contains(thrown_message([&] { y.value(); }), "no longer exists"));
}

TEST_CASE("an empty variable and an empty parameter are errors", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(1)), none;
  CHECK_FALSE(none.defined());
  CHECK_THROWS_AS(none.value(), StateError);
  CHECK_THROWS_AS(none.shape(), StateError);
  CHECK_THROWS_AS(x + none, StateError);
  CHECK_THROWS_AS(tape.use(Parameter()), StateError);
  CHECK_THROWS_AS(x * Parameter(), StateError);
}

TEST_CASE("operands must be on one tape", "[tape]") {
  Tape first, second;
  const Variable x = first.input(Tensor::scalar(1)), y = second.input(Tensor::scalar(2));
  CHECK_THROWS_AS(x + y, StateError);
  CHECK_THROWS_AS(evaluate({x, y}), StateError);
  CHECK_THROWS_AS(gradients(tanh(x), {y}), StateError);
  ParameterSet parameters;
  const Parameter p = parameters.create("p", Tensor::scalar(1));
  CHECK_THROWS_AS(tanh(p), StateError);  // nothing says which tape
  CHECK((first.input(y.value()) + x).item() == 3);
}

TEST_CASE("a moved tape keeps its handles", "[tape]") {
  Tape first;
  const Variable x = first.input(Tensor::scalar(2));
  Tape second = std::move(first);
  CHECK((x * x).item() == 4);
  second = Tape();
  CHECK_THROWS_AS(x.value(), StateError);
}

TEST_CASE("what is recorded under no_gradient is constant", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(3, Dtype::float64));
  Variable inside;
  {
    const auto guard = tape.no_gradient();
    const auto nested = tape.no_gradient();
    inside = x * x;
  }
  CHECK(inside.item() == 9);
  CHECK(gradients(inside * x, {x})[0].item() == 9);
  CHECK_THROWS_AS(gradients(inside, {x}), StateError);
  CHECK(gradients(x * x * x, {x})[0].item() == 27);  // the guard is gone
}

TEST_CASE("detach stops gradients and shares memory", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {3.0, 4.0}));
  const Variable d = detach(x);
  d.value();
  CHECK(tape.state().values[d.index()] == tape.state().values[x.index()]);
  const auto g = gradients(sum(d * x), {x});
  CHECK(g[0].value().at(0) == 3);
  CHECK(g[0].value().at(1) == 4);
  // The detached value itself can be asked for.
  CHECK(gradients(sum(d * x), {d})[0].value().at(1) == 4);
}

TEST_CASE("an input is a copy", "[tape]") {
  Tape tape;
  Tensor value(Shape{2}, {1.0, 2.0});
  const Variable x = tape.input(value);
  value.mutable_data<double>()[0] = 100;
  CHECK(x.value().at(0) == 1);
  Tensor out = x.value();
  out.mutable_data<double>()[1] = 100;
  CHECK(x.value().at(1) == 2);
  CHECK((x * 2.0).value().at(1) == 4);
}

TEST_CASE("random keys are a function of the seed and the number of the draw", "[tape]") {
  const auto keys = [](std::uint64_t seed) {
    Tape tape({.seed = seed});
    const Variable x = tape.input(Tensor::scalar(0));
    const std::uint64_t first = next_random_key(x);
    return std::pair(first, next_random_key(x));
  };
  CHECK(keys(1) == keys(1));
  CHECK(keys(1).first != keys(1).second);
  CHECK(keys(1).first != keys(2).first);
  Tape tape({.seed = 1});
  next_random_key(tape.input(Tensor::scalar(0)));
  tape.reset();
  CHECK(next_random_key(tape.input(Tensor::scalar(0))) == keys(1).first);
}

TEST_CASE("denormals count as zero during a run and are back after it", "[tape]") {
  Tape tape;
  const float tiny = 1e-40f;
  const Variable x = tape.input(Tensor(Shape{1}, {tiny}));
  CHECK((x + 0.0).item() == 0);
  volatile float y = tiny;
  CHECK(y * 1.0f > 0);
}

namespace {

struct Factor {
  double factor;
};

/// An op with attributes, as a user would write one.
class Scaled final : public Op {
 public:
  Scaled() : Op("test.scaled", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    const double factor = call.attributes.as<Factor>().factor;
    for (std::int64_t i = 0; i < call.output.size(); ++i) {
      call.output.as<double>()[i] = factor * call.input(0).as<double>()[i];
    }
  }
  void derive(Derivation& d) const override {
    d.add(0, d.attributes<Factor>().factor * d.cotangent());
  }
  std::size_t attribute_bytes() const override { return sizeof(Factor); }
};
const Scaled kScaled;

}  // namespace

TEST_CASE("a user's op is a class with a kernel and a rule", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {1.0, 2.0}));
  const Variable y = record(kScaled, {x}, Factor{3});
  CHECK(y.value().at(1) == 6);
  CHECK(gradients(sum(y * y), {x})[0].value().at(1) == 36);
  // Attributes of another kind would be read as garbage.
  CHECK_THROWS_AS(record(kScaled, {x}), ValueError);
  CHECK_THROWS_AS(record(kScaled, {x}, 3.0f), ValueError);
}

TEST_CASE("a tape that was moved from says so", "[tape]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(2));
  Tape taken = std::move(tape);
  CHECK(square(x).item() == 4);
  // NOLINTBEGIN(bugprone-use-after-move): that is what it is about
  CHECK_THROWS_AS(tape.input(Tensor::scalar(1)), StateError);
  CHECK_THROWS_AS(tape.constant(1), StateError);
  CHECK_THROWS_AS(tape.use(Parameter()), StateError);
  CHECK_THROWS_AS(tape.reset(), StateError);
  CHECK_THROWS_AS(tape.reset(1), StateError);
  CHECK_THROWS_AS(tape.size(), StateError);
  CHECK_THROWS_AS(tape.options(), StateError);
  CHECK_THROWS_AS(tape.set_training(true), StateError);
  CHECK_THROWS_AS(tape.memory_bytes(), StateError);
  CHECK_THROWS_AS(tape.no_gradient(), StateError);
  CHECK_THROWS_AS(to_string(tape), StateError);
  const std::string message = thrown_message([&] { tape.input(Tensor()); });
  CHECK(contains(message, "tape_test.cpp:" + std::to_string(__LINE__ - 1) + ": Tape::input: "));
  tape = Tape();
  // NOLINTEND(bugprone-use-after-move)
  CHECK(tape.input(Tensor::scalar(3)).item() == 3);
}
