// The law of passes for arrays of which only parts are read: the states of all steps and their
// gradients, parts that overlap, chains of such arrays.
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kSteps = 6, kRows = 3, kWidth = 4;

ParameterSet array_parameters() {
  ParameterSet parameters(3, Dtype::float64);
  const Scope scope = parameters.scope();
  scope.parameter("u", {kWidth, kWidth}, small);
  scope.parameter("whole", {kSteps, kRows, kWidth}, small);
  scope.parameter("row", {kWidth}, small);
  scope.parameter("number", {1, 1}, small);
  return parameters;
}

/// The states of a small recurrent net over x [steps, rows, width].
Variable states_of(const Variable& x, const Parameter& u) {
  Variable h = select(x, 0, 0);
  Variables states;
  for (std::int64_t t = 0; t < x.shape()[0]; ++t) {
    h = tanh(matmul(h, u) + select(x, 0, t));
    states.push_back(h);
  }
  return stack(states, 0);
}

using Parts = std::function<Variable(Tape& tape, const ParameterSet& p, const Variable& x,
                                     std::uint64_t data)>;

void check_parts(const Parts& f) {
  ParameterSet parameters = array_parameters();
  check_law(
      [&](Tape& tape, const ParameterSet& p, std::uint64_t data) {
        const Variable x = data_input(tape, p, {kSteps, kRows, kWidth}, data);
        const Variable y = f(tape, p, x, data);
        // Every parameter has a gradient, whether or not the model uses it.
        Variable loss = weighed(tape, p, y, data);
        for (const Parameter& parameter : p) loss = loss + sum(square(tape.use(parameter)));
        return Recorded{loss, {y}};
      },
      parameters, some_options());
}

}  // namespace

TEST_CASE("the gradient of all states is read step by step", "[passes]") {
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    return states_of(x * p[1], p[0]);
  });
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    return square(states_of(x * p[1], p[0]) - x);
  });
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    const Variable h = states_of(x * p[1], p[0]);
    return mean(tanh(h) * exp(h * 0.5) * p[2]) * reshape(sigmoid(h), {kSteps, kRows * kWidth});
  });
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    return softmax(states_of(x, p[0]) * p[3]) + states_of(tanh(x) * p[1], p[0]) * p[3];
  });
}

TEST_CASE("parts that overlap, leave gaps, or are read in several ways", "[passes]") {
  const auto sum_of_parts = [](auto part_of, std::int64_t count) {
    return [=](Tape& tape, const ParameterSet& p, const Variable& x, std::uint64_t data) {
      const Variable whole = tanh(x * p[1]) * p[3] + 0.5;
      Variable result = part_of(tape, p, whole, 0, data);
      for (std::int64_t t = 1; t < count; ++t) {
        result = sin(result) + part_of(tape, p, whole, t, data);
      }
      return result;
    };
  };
  using V = const Variable&;
  using P = const ParameterSet&;
  check_parts(sum_of_parts([](Tape&, P, V y, std::int64_t t, auto) { return select(y, 0, t); }, 6));
  check_parts(
      sum_of_parts([](Tape&, P, V y, std::int64_t t, auto) { return select(y, 0, 2 * t); }, 3));
  check_parts(
      sum_of_parts([](Tape&, P, V y, std::int64_t t, auto) { return slice(y, 0, t, t + 2); }, 5));
  check_parts(sum_of_parts(
      [](Tape&, P, V y, std::int64_t t, auto) { return tanh(slice(y, 0, 2 * t, 2 * t + 2)); }, 3));
  check_parts(sum_of_parts(
      [](Tape&, P p, V y, std::int64_t t, auto) {
        const Variable part = select(y, 0, t);
        return matmul(tanh(part), p[0]) * part;
      },
      6));
  check_parts(sum_of_parts(
      [](Tape&, P p, V y, std::int64_t t, auto) { return matmul(select(y, 0, t), p[0]); }, 6));
  check_parts(sum_of_parts(
      [](Tape&, P, V y, std::int64_t t, auto) {
        const Variable flat = reshape(y, {kSteps * kRows, kWidth});
        return exp(slice(flat, 0, kRows * t, kRows * (t + 1))) + select(slice(y, 0, t, 6), 0, 0);
      },
      6));
  check_parts(sum_of_parts(
      [](Tape&, P p, V y, std::int64_t t, auto) {
        return where(select(y > 0.5, 0, t), select(y, 0, t), tanh(select(y, 0, t) * p[2]));
      },
      6));
}

TEST_CASE("chains of arrays that are read in parts", "[passes]") {
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    const Variable a = tanh(x * p[1]), b = sigmoid(a + 0.25), c = b * p[3] * a;
    Variable h = select(c, 0, 0);
    for (std::int64_t t = 0; t < kSteps; ++t) {
      h = tanh(matmul(h, p[0]) + select(c, 0, t) * select(b, 0, kSteps - 1 - t));
    }
    return h;
  });
  check_parts([](Tape&, const ParameterSet& p, const Variable& x, std::uint64_t) {
    const Variable a = matmul(x, p[0]), b = matmul(tanh(x), p[0]);
    const Variable c = a * b;  // two operands would have to live longer
    Variable h = select(c, 0, 0);
    for (std::int64_t t = 0; t < kSteps; ++t) h = tanh(h + select(c, 0, t));
    return h;
  });
}
