// Results that take the memory of what is read last: products added onto the other term of a sum,
// and fused steps that overwrite their operands.
#include <unroll/autograd/error.h>
#include <unroll/autograd/plan.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// The plan of a loss and its gradients by all parameters.
Plan plan_of(Tape& tape, const ParameterSet& parameters, const Variable& loss) {
  Variables wrt;
  for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
  const Variables outputs{loss}, one{tape.constant(1, loss.dtype())};
  std::vector<std::uint32_t> roots{loss.index()};
  for (const Variable& g : vector_jacobian_product(outputs, one, wrt)) {
    roots.push_back(g.index());
  }
  return make_plan(tape.state(), roots, Keep::roots);
}

std::size_t fused_additions(const Plan& plan) {
  std::size_t count = 0;
  for (const FusedFormula& formula : plan.fused) {
    for (const auto& instruction : formula.instructions) count += instruction.code == Code::add;
  }
  return count;
}

using Sum = std::function<Variable(const Variable& x, const Variable& w)>;

/// Additions left in fused steps of the plan for a value of x [4, 4] and w [4, 4], which is also
/// held to the law.
std::size_t additions_left(const Sum& f) {
  ParameterSet parameters(5);
  for (const char* name : {"x", "w"}) parameters.scope().parameter(name, {4, 4}, small);
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    const Variable x = set[0] * data_input(tape, set, {4, 4}, data);
    return Recorded{weighed(tape, set, tanh(f(x, tape.use(set[1]))), data)};
  };
  check_law(model, parameters, some_options());
  Tape tape;
  const Variable loss = model(tape, parameters, 1).loss;
  const std::uint32_t root = loss.index();
  return fused_additions(make_plan(tape.state(), std::span(&root, 1), Keep::roots));
}

}  // namespace

TEST_CASE("a product adds itself to what only the sum reads", "[passes]") {
  CHECK(additions_left(
            [](const Variable& x, const Variable& w) { return matmul(x, w) + matmul(w, x); }) == 0);
  // The products of rows are one array, of which the sum takes a part.
  CHECK(additions_left([](const Variable& x, const Variable& w) {
          const Variable a = matmul(slice(x, 0, 0, 2), w), b = matmul(slice(x, 0, 2, 4), w);
          return concat({a, b + matmul(tanh(a), w)}, 0);
        }) == 0);
}

TEST_CASE("a product leaves alone what others read", "[passes]") {
  CHECK(additions_left([](const Variable& x, const Variable& w) {
          const Variable a = matmul(x, w);
          return (a + matmul(tanh(a), w)) * a;
        }) > 0);
  // Parts that overlap.
  CHECK(additions_left([](const Variable& x, const Variable& w) {
          const Variable a = matmul(x, w), b = matmul(slice(w, 0, 0, 3), w);
          const Variable c = slice(a, 0, 0, 3) + b;
          return concat({c, slice(slice(a, 0, 1, 4) + matmul(tanh(c), w), 0, 2, 3)}, 0);
        }) > 0);
  // Data of the user.
  CHECK(additions_left([](const Variable& x, const Variable& w) { return w + matmul(x, x); }) > 0);
}

TEST_CASE("parts whose rows begin anywhere in a larger array are known to overlap", "[passes]") {
  ParameterSet parameters(5);
  // Matrices within arrays, behind heads that are no whole number of their rows.
  const Parameter p = parameters.scope().parameter("p", {4, 1024}, small);
  const Parameter q = parameters.scope().parameter("q", {100}, small);
  const Parameter r = parameters.scope().parameter("r", {4, 8}, small);
  const Parameter s = parameters.scope().parameter("s", {3}, small);
  const auto long_rows = [&](Tape& tape) {
    const Variable x = tape.use(p) * 1.5;
    const Variable whole = sum(concat({tanh(tape.use(q) * 2.0), reshape(x, {-1})}, 0));
    const Variable read_later = slice(x, 1, 950, 1020);
    const Variable rows = sum(tanh(slice(x, 1, 600, 1000) * 2.0) * slice(x, 1, 0, 400), 1);
    return Variables{whole + sum(rows * rows) + sum(sin(read_later * 3.0))};
  };
  const auto short_rows = [&](Tape& tape) {
    const Variable x = tape.use(r) * 1.5, h = tape.use(s) * 2.0;
    const Variable whole = sum(concat({h, reshape(x, {-1})}, 0));
    const Variable a = tanh(slice(x, 1, 0, 6)), b = tanh(slice(x, 1, 6, 8));
    const Variable read_later = sin(slice(x, 1, 5, 6));
    const Variable y = concat({a, b}, 1);
    return Variables{whole, sum(concat({tanh(h) * 1.5, reshape(y, {-1})}, 0)), sum(read_later)};
  };
  const auto results = [&](const auto& program, bool reuse) {
    Tape tape({.passes = {.reuse = reuse}});
    const Variables roots = program(tape);
    evaluate(roots);
    std::vector<double> values;
    for (const Variable& root : roots) values.push_back(root.item());
    Tape other({.passes = {.reuse = reuse}});
    values.push_back(gradients(program(other).front(), parameters).norm());
    return values;
  };
  const auto check = [&](const auto& program) {
    const auto got = results(program, true), expected = results(program, false);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).epsilon(1e-5));
  };
  check(long_rows);
  check(short_rows);
}

TEST_CASE("joined parts of a parameter are not read once it has changed", "[passes]") {
  const std::vector<std::function<Variable(const Variable&)>> calls{
      [](const Variable& x) { return concat({x}, 0); },
      [](const Variable& x) {
        return concat({slice(x, 0, 0, 2), slice(x, 0, 2, 4)}, 0);
      },
      [](const Variable& x) { return reshape(concat({x}, 1), {8}); },
      [](const Variable& x) { return reshape(x, {8}); }};
  for (const auto& call : calls) {
    ParameterSet parameters;
    const Parameter p = parameters.create("p", Tensor::full(Shape{4, 2}, 1));
    Tape tape;
    const Variable c = call(tape.use(p));
    gradients(sum(c * c), parameters);
    p.update<float>()[0] = 100;
    CHECK_THROWS_AS(c.value(), StateError);
  }
}

TEST_CASE("an LSTM's gates, their activations and their gradients share memory", "[passes]") {
  constexpr std::int64_t kHidden = 256;
  ParameterSet parameters = lstm_parameters(8, kHidden, Dtype::float32);
  const auto model = [](int steps, std::int64_t batch) -> Recording {
    return [=](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      Variable h = tape.constant(0, set.dtype(), {batch, kHidden}), c = h;
      Variables outputs;
      for (int t = 0; t < steps; ++t) {
        const Variable x = data_input(tape, set, {batch, 8}, data, static_cast<std::uint64_t>(t));
        const Variable gates = affine(x, set[0], set[2]) + matmul(h, set[1]);
        const auto gate = [&](std::int64_t k) {
          return slice(gates, 1, k * kHidden, (k + 1) * kHidden);
        };
        c = sigmoid(gate(0)) * c + sigmoid(gate(1)) * tanh(gate(2));
        h = sigmoid(gate(3)) * tanh(c);
        outputs.push_back(h);
      }
      return Recorded{weighed(tape, set, concat(outputs, 0), data)};
    };
  };
  const auto floats = [&](const TapeOptions& options) {
    constexpr int kSteps = 40, kBatch = 4;
    Tape tape(options);
    const Variable loss = model(kSteps, kBatch)(tape, parameters, 1).loss;
    const Plan plan = plan_of(tape, parameters, loss);
    return static_cast<double>(plan.work_bytes) / sizeof(float) / (kSteps * kBatch * kHidden);
  };
  // Four gates, c, h, its gradient; and what is needed for a few steps.
  CHECK(floats({}) < 8.5);
  TapeOptions apart;
  apart.passes.reuse = false;
  CHECK(floats(apart) > 14);
  check_law(model(4, 3), parameters, some_options());
}
