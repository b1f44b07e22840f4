// Errors speak: the user's line, the op, what it got. And a failed call changes nothing.
#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/indexing.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// What `call` throws names this file and `line`, and contains every one of `parts`.
template <class Kind, class Call>
void check_error(int line, const std::vector<std::string>& parts, Call call) {
  CHECK_THROWS_AS(call(), Kind);
  const std::string message = thrown_message(call);
  INFO(message);
  CHECK(contains(message, "tests/autograd/errors_test.cpp:" + std::to_string(line) + ": "));
  for (const std::string& part : parts) {
    INFO(part);
    CHECK(contains(message, part));
  }
}

/// `call` throws and leaves the tape as it was.
template <class Call>
void check_unchanged(const Tape& tape, Call call) {
  const std::string before = to_string(tape);
  const auto& state = tape.state();
  const std::size_t inputs = state.inputs.size(), bytes = state.attributes.size(),
                    parameters = state.parameters.size();
  CHECK_THROWS_AS(call(), Error);
  CHECK(to_string(tape) == before);
  CHECK(state.inputs.size() == inputs);
  CHECK(state.attributes.size() == bytes);
  CHECK(state.parameters.size() == parameters);
}

/// An op without derivative.
class Rounded final : public Op {
 public:
  Rounded() : Op("test.rounded", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    *call.output.as<double>() = static_cast<int>(*call.input(0).as<double>());
  }
};
const Rounded kRounded;

/// An op whose derivative has another shape than its operand.
class Misshapen final : public Op {
 public:
  Misshapen() : Op("test.misshapen", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall&) const override {}
  void derive(Derivation& d) const override { d.add(0, sum(d.cotangent())); }
};
const Misshapen kMisshapen;

}  // namespace

TEST_CASE("type errors name the user's line, the op and both shapes", "[errors]") {
  Tape tape;
  const Variable a = tape.input(Tensor(Shape{2, 5}, Dtype::float64));
  const Variable b = tape.input(Tensor(Shape{3, 4}, Dtype::float64));
  const Variable f = tape.input(Tensor(Shape{2, 5}));
  check_error<ShapeError>(__LINE__, {"add: ", "[2, 5]", "[3, 4]"}, [&] { a + b; });
  check_error<ShapeError>(__LINE__, {"matmul: ", "[2, 5]", "[3, 4]"}, [&] { matmul(a, b); });
  check_error<DtypeError>(__LINE__, {"mul: ", "float64", "float32"}, [&] { a* f; });
  check_error<ShapeError>(__LINE__, {"sum: ", "axis 2", "[2, 5]"}, [&] { sum(a, 2); });
  check_error<ShapeError>(__LINE__, {"reshape: ", "[2, 5]", "[3, 3]"}, [&] { reshape(a, {3, 3}); });
  check_error<ValueError>(__LINE__, {"clamp: ", "2", "1"}, [&] { clamp(a, 2, 1); });
  const Variable v = tape.input(Tensor(Shape{5}, Dtype::float64));
  check_error<ShapeError>(__LINE__, {"matmul: ", "[5]", "[3, 4]"}, [&] { matmul(v, b); });
  check_error<ShapeError>(__LINE__, {"matmul: ", "[3, 4]", "[5]"}, [&] { matmul(b, v); });
}

TEST_CASE("blame keeps the type of every error and names a place once", "[errors]") {
  const Location at = Location::current();
  const auto blamed = [&]<class Kind>(const Kind& error) {
    const auto call = [&] { blame(at, "inner", [&] { throw error; }); };
    check_error<Kind>(at.line, {"inner: said"}, call);
    const std::string once = thrown_message(call);
    const std::string place = to_string(at) + ": ";
    CHECK(once == place + "inner: said");
    CHECK(thrown_message([&] { blame(at, "outer", call); }) == place + "outer: inner: said");
    CHECK(thrown_message([&] { blame(at, "inner", call); }) == once);
  };
  blamed(ShapeError("said"));
  blamed(DtypeError("said"));
  blamed(ValueError("said"));
  blamed(StateError("said"));
  blamed(IoError("said"));
  blamed(NumericError("said"));
}

TEST_CASE("out of memory is said to the end, however long the path", "[errors]") {
  const std::string path = std::string(900, 'a') + "/model.cpp";
  const Location where{path.c_str(), 12};
  const std::string message = thrown_message(
      [&] { blame_memory(where, "evaluate", [] { throw OutOfMemory("out of memory"); }); });
  CHECK(message.ends_with("a/model.cpp:12: evaluate: out of memory"));
}

TEST_CASE("state errors name the user's line and the op", "[errors]") {
  Tape tape, other;
  const Variable stale = tape.input(Tensor(Shape{2}, Dtype::float64)), none;
  tape.reset();
  const Variable x = tape.input(Tensor(Shape{2}, Dtype::float64));
  const Variable y = other.input(Tensor(Shape{2}, Dtype::float64));
  check_error<StateError>(__LINE__, {"tanh: ", "Tape::reset"}, [&] { tanh(stale); });
  check_error<StateError>(__LINE__, {"add: ", "different tapes"}, [&] { x + y; });
  check_error<StateError>(__LINE__, {"mul: ", "empty"}, [&] { x* none; });
  check_error<StateError>(__LINE__, {"Tape::reset"}, [&] { matmul(stale, x); });
  check_error<StateError>(__LINE__, {"Tape::reset"}, [&] { reshape(stale, Shape{1, 2}); });
  check_error<StateError>(__LINE__, {"value: ", "Tape::reset"}, [&] { stale.value(); });
  check_error<StateError>(__LINE__, {"value: ", "empty"}, [&] { none.item(); });
  check_error<StateError>(__LINE__, {"evaluate: ", "different"}, [&] { evaluate({x, y}); });
  check_error<StateError>(__LINE__, {"Tape::use: ", "empty"}, [&] { tape.use(Parameter()); });
  check_error<StateError>(__LINE__, {"gradients: ", "empty"}, [&] { gradients(none, {x}); });
  check_error<StateError>(__LINE__, {"gradients: "}, [&] { gradients(sum(x), {stale}); });
}

TEST_CASE("wrong losses are refused with the line of the call", "[errors]") {
  Tape tape;
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("p", Tensor(Shape{2}));
  const Variable x = tape.input(Tensor(Shape{2}, Dtype::float64));
  const Variable i = tape.input(Tensor::scalar(1, Dtype::int32));
  const Variable y = x * p, free = sum(x);
  check_error<ShapeError>(__LINE__, {"gradients: ", "[2]", "sum"}, [&] { gradients(y, {x}); });
  check_error<ShapeError>(__LINE__, {"gradients: ", "[2]"}, [&] { gradients(y, parameters); });
  check_error<DtypeError>(__LINE__, {"gradients: ", "int32"}, [&] { gradients(i, {x}); });
  check_error<StateError>(__LINE__, {"no parameter"}, [&] { gradients(free, parameters); });
  check_error<StateError>(__LINE__, {"not on a tape"}, [&] { gradients(2.0, parameters); });
  const Variable unrelated = tape.input(Tensor(Shape{3}, Dtype::float64));
  const std::string place = "errors_test.cpp:" + std::to_string(__LINE__ - 1);
  const auto partly = [&] { gradients(free, {x, unrelated}); };
  check_error<StateError>(__LINE__ - 1, {"variable 1", "float64 [3]", place}, partly);
}

TEST_CASE("a rule that is wrong about shapes is named, with the line of its op", "[errors]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2}, {1.0, 2.0}));
  const int line = __LINE__ + 1;
  const Variable y = record(kMisshapen, {x});
  check_error<ShapeError>(line,
                          {"derivative of test.misshapen: the contribution to input 0 is float64 "
                           "[]; expected float64 [2]"},
                          [&] { gradients(sum(y), {x}); });
}

TEST_CASE("a whole number is asked for where one is needed", "[errors]") {
  Tape tape;
  CHECK(tape.constant(7, Dtype::int32).value().at(0) == 7);
  CHECK_THROWS_AS(tape.constant(0.5, Dtype::int32), ValueError);
  CHECK_THROWS_AS(tape.constant(3e9, Dtype::int32), ValueError);
}

TEST_CASE("an op without derivative says so with its own line", "[errors]") {
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(1.5, Dtype::float64));
  const Variable y = record(kRounded, {x});
  const int line = __LINE__ - 1;
  CHECK(y.item() == 1);
  check_error<StateError>(line, {"test.rounded: has no derivative", "detach"},
                          [&] { gradients(y * x, {x}); });
}

TEST_CASE("indices are checked when they are known, with the line that recorded the op",
          "[errors]") {
  for (const bool eager : {false, true}) {
    Tape tape({.eager = eager});
    const Variable table = tape.input(Tensor(Shape{3, 2}));
    const Variable ids = tape.input(Tensor(Shape{2}, {1, 7}));
    const auto look_up = [&] {
      const Variable y = rows(table, ids);
      return y.value();
    };
    const int line = __LINE__ - 3;
    check_error<ValueError>(line, {"rows: ", "7"}, look_up);
    const std::string message = thrown_message(look_up);
    CHECK(message.find("rows: ") == message.rfind("rows: "));
  }
}

TEST_CASE("a failed call leaves the tape as it was", "[errors]") {
  for (const bool eager : {false, true}) {
    Tape tape({.eager = eager});
    ParameterSet parameters(0, Dtype::float64);
    const Parameter p = parameters.create("p", Tensor(Shape{7}));
    const Parameter cube = parameters.create("cube", Tensor(Shape{2, 3, 7}));
    const Parameter single = ParameterSet(0, Dtype::float32).create("f", Tensor(Shape{2, 3, 4}));
    const Variable x = tape.input(Tensor(Shape{2, 3}, Dtype::float64));
    const Variable w = tape.input(Tensor(Shape{4, 5}, Dtype::float64));
    const Variable f = tape.input(Tensor(Shape{2, 3}));
    tape.use(parameters.create("known", Tensor(Shape{1})));
    check_unchanged(tape, [&] { x + p; });  // p's leaf is taken back
    check_unchanged(tape, [&] { x + f; });
    check_unchanged(tape, [&] { matmul(x, w); });
    check_unchanged(tape, [&] { matmul(x, p); });
    check_unchanged(tape, [&] { matmul(p, w); });
    check_unchanged(tape, [&] { matmul(cube, w); });
    check_unchanged(tape, [&] { matmul(single, w); });
    check_unchanged(tape, [&] { affine(x, w, p); });
    check_unchanged(tape, [&] { affine(cube, w, 1.0); });
    check_unchanged(tape, [&] { dot(p, x); });
    check_unchanged(tape, [&] { concat({x, w}, 0); });
    check_unchanged(tape, [&] { where(f, f, x); });
    check_unchanged(tape, [&] { gradients(x, {x}); });
    CHECK((sum(x * 2.0) + sum(tape.use(p))).item() == 0);  // and it goes on working
  }
}

TEST_CASE("a failed gradient leaves the tape as it was", "[errors]") {
  Tape tape;
  ParameterSet parameters(0, Dtype::float64);
  const Parameter p = parameters.create("p", Tensor::scalar(1));
  const Variable x = tape.input(Tensor::scalar(1, Dtype::float64));
  const Variable unrelated = tape.input(Tensor::scalar(1, Dtype::float64));
  const Variable y = tanh(x * p) * p, blocked = record(kRounded, {y * x}) * x;
  check_unchanged(tape, [&] { gradients(y, {x, unrelated}); });
  check_unchanged(tape, [&] { gradients(blocked, {x}); });
  check_unchanged(tape, [&] { gradients(blocked, parameters); });
  const Variables outputs{y, x}, cotangents{x, tape.input(Tensor(Shape{3}))};
  check_unchanged(tape, [&] { vector_jacobian_product(outputs, cotangents, {&x, 1}); });
  const auto product = [&] { vector_jacobian_product(outputs, cotangents, {&x, 1}); };
  check_error<ShapeError>(__LINE__ - 1, {"cotangent 1"}, product);
  p.update<double>()[0] = 2;
  check_unchanged(tape, [&] { gradients(y, parameters); });
  p.update<double>();
}

TEST_CASE("a run that fails can be tried again and computes the rest", "[errors]") {
  Tape tape;
  const Variable table = tape.input(Tensor(Shape{3, 2}, {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}));
  const Variable good = tape.input(Tensor(Shape{1}, {2}));
  const Variable bad = tape.input(Tensor(Shape{1}, {-1}));
  const Variable a = sum(rows(table, good)), b = tanh(sum(rows(table, bad))), c = tanh(a);
  CHECK_THROWS_AS(evaluate({a, b, c}), ValueError);
  CHECK_THROWS_AS(b.value(), ValueError);
  CHECK(a.item() == 11);
  CHECK(c.item() == Approx(1).epsilon(1e-6));
}
