// The law of passes over programs: random ones, hand-written ones, and their derivatives.
#include <unroll/tests/autograd/mixed_programs.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kProgramTolerance = 2e-4;  // of sixty random ops in float32

Recording mixed(std::uint64_t seed, int ops) {
  return [=](Tape& tape, const ParameterSet& parameters, std::uint64_t data) {
    return MixedProgram(tape, parameters, seed, data).record(ops);
  };
}

/// The gradients of `model`, as a loss and as values of their own.
Recording derivative_of(const Recording& model) {
  return [=](Tape& tape, const ParameterSet& parameters, std::uint64_t data) {
    const Variable loss = model(tape, parameters, data).loss;
    Variables wrt;
    for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
    const Variables outputs{loss};
    const Variables cotangents{tape.constant(0.5, loss.dtype(), loss.shape())};
    Recorded result{loss};
    for (const Variable& g : vector_jacobian_product(outputs, cotangents, wrt)) {
      if (!g.defined()) continue;
      result.loss = result.loss + weighed(tape, parameters, g, data, result.values.size());
      result.values.push_back(g);
    }
    return result;
  };
}

Recording lstm(int steps, std::int64_t batch) {
  return [=](Tape& tape, const ParameterSet& parameters, std::uint64_t) {
    return Recorded{lstm_loss(tape, parameters, steps, batch)};
  };
}

/// The law, over all combinations, for functions of two parameters [4, 6].
void check_functions(const std::function<Variables(const Variable& x, const Variable& y)>& f) {
  ParameterSet parameters(7);
  for (const char* name : {"x", "y"}) parameters.scope().parameter(name, {4, 6}, small);
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    Recorded result{{}, f(set[0] * data_input(tape, set, {4, 6}, data), tape.use(set[1]))};
    result.loss = tape.constant(0, set.dtype());
    for (const Variable& value : result.values) {
      if (is_floating(value.dtype())) {
        result.loss = result.loss + weighed(tape, set, value, data, value.index());
      }
    }
    return result;
  };
  check_law(model, parameters, all_options());
}

}  // namespace

TEST_CASE("passes agree where parts of arrays have other readers", "[passes]") {
  using V = const Variable&;
  const auto check = [](const char* what, auto read) {
    INFO(what);
    check_functions([&](V x, V y) {
      const Variable a = tanh(x) * y, b = sigmoid(y) * x, both = concat({a, b}, 1);
      return Variables{read(a, b, both), sum(both, 1)};
    });
  };
  check("itself", [](V a, V, V) { return sin(a * 2.0); });
  check("columns", [](V a, V, V) { return sum(slice(a, 1, 1, 4) * 2.0); });
  check("one column", [](V a, V, V) { return sum(tanh(slice(a, 1, 2, 3) * 2.0)); });
  check("rows", [](V a, V, V) { return sum(tanh(slice(a, 0, 1, 3) * 2.0)); });
  check("one row", [](V a, V, V) { return sum(tanh(select(a, 0, 1) * 2.0)); });
  check("another shape", [](V a, V, V) { return sum(tanh(reshape(a, {6, 4}) * 2.0)); });
  check("a line", [](V a, V, V) { return sum(tanh(reshape(a, {-1}) * 2.0) * 3.0); });
  check("columns of both", [](V, V, V both) { return tanh(slice(both, 1, 3, 9) * 2.0); });
  check("a broadcast of both", [](V a, V, V both) { return tanh(a * sum(both, 1, true)); });
  check("a join of the join", [](V a, V, V both) {
    const Variable more = concat({both, a * 3.0}, 1);
    return sum(concat({more, sin(more)}, 0), 0);
  });
}

TEST_CASE("passes agree on slices of what broadcast operands gave", "[passes]") {
  check_functions([](const Variable& x, const Variable& y) {
    const Variable column = sum(x, 1, true), row = select(y, 0, 1);
    const Variable a = expand(column, {4, 6}) * y, b = tanh(x) + expand(row, {4, 6});
    const Variable c = expand(sum(x), {4, 6}) * expand(row, {4, 6});
    return Variables{tanh(slice(a, 1, 1, 4)) * slice(b, 1, 2, 5), tanh(slice(b, 1, 0, 2)) * column,
                     sin(slice(c, 1, 2, 5)), slice(a, 0, 1, 3) * 2.0, tanh(select(b, 1, 3))};
  });
}

TEST_CASE("passes agree where arrays hold one value several times", "[passes]") {
  check_functions([](const Variable& x, const Variable& y) {
    const Variable a = tanh(x) * y, row = tanh(select(x, 0, 0)), line = reshape(row, {1, 6});
    return Variables{concat({a, a}, 0) * 2.0, concat({a, y, a}, 1) * 2.0, stack({a, a, y}, 0) * 2.0,
                     concat({line, line}, 1) * 2.0, stack({row, row}, 1) * 2.0};
  });
  check_functions([](const Variable& x, const Variable& y) {
    // Products of one value twice, beside others.
    const Variable a = tanh(x), w = transpose(y);
    return Variables{matmul(a, w) + matmul(a, w) * 2.0 + matmul(sin(x), w)};
  });
}

TEST_CASE("passes agree where sums of products are terms of sums", "[passes]") {
  ParameterSet parameters(7);
  const Parameter w = parameters.scope().parameter("w", {3, 3}, small);
  for (int kind = 0; kind < 8; ++kind) {
    const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      const auto loss_of = [&](std::uint64_t k, const Variable& matrix) {
        return sum(tanh(matmul(data_input(tape, set, {2, 3}, data, k), matrix)));
      };
      // The gradients of w2 and w3 are sums, and flow on as they are.
      const Variable w1 = tape.use(w), w2 = w1 + 1.0, w3 = w2 + 1.0;
      Variable loss = loss_of(1, w2) + loss_of(2, w2) + loss_of(3, w1);
      if ((kind & 1) != 0) loss = loss + loss_of(4, w1);
      if ((kind & 2) != 0) loss = loss + sum(tanh(w2));
      if ((kind & 4) != 0) loss = loss_of(5, w3) + loss + loss_of(6, w3);
      return Recorded{loss};
    };
    check_law(model, parameters, all_options());
  }
}

TEST_CASE("passes agree where a term of a sum has other readers", "[passes]") {
  // The gradient by x + tanh(y) is a term of that by x, and is read by the rule of tanh.
  check_functions([](const Variable& x, const Variable& y) {
    const Variable a = reshape(detach(sin(y)), {6, 4}), b = reshape(detach(cos(y)), {6, 4});
    return Variables{matmul(a, x + tanh(y)), matmul(b, x), matmul(a, x) * 0.5};
  });
  check_functions([](const Variable& x, const Variable& y) {
    return Variables{slice(x + tanh(y), 1, 0, 2), slice(x, 1, 3, 6), slice(x, 1, 2, 3)};
  });
}

TEST_CASE("passes agree on masks in pieces", "[passes]") {
  check_functions([](const Variable& x, const Variable& y) {
    const Variable a = x < y, b = sigmoid(y) < x + 0.4, both = concat({a, b}, 1);
    const Variable left = where(slice(a, 1, 0, 3), slice(x, 1, 0, 3), 0.0);
    return Variables{where(slice(both, 1, 3, 9), x, y) * 2.0, left,
                     where(reshape(b, {6, 4}), reshape(y, {6, 4}), 0.5)};
  });
}

TEST_CASE("passes agree on random programs", "[passes]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    INFO("program " << seed);
    ParameterSet parameters = program_parameters(Dtype::float32);
    const Recording model = [seed](Tape& tape, const ParameterSet& set, std::uint64_t) {
      return Recorded{random_program(tape, set, seed)};
    };
    check_law(model, parameters, some_options(), kProgramTolerance);
  }
}

TEST_CASE("passes agree on random programs over many kinds of ops", "[passes]") {
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{{4, 6}, {1, 5}, {5, 1}, {1, 1},
                                                                  {0, 4}, {3, 0}, {2, 3}, {6, 17}};
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    const auto [rows, columns] = shapes[seed % shapes.size()];
    INFO("program " << seed << " over [" << rows << ", " << columns << "]");
    ParameterSet parameters = mixed_parameters(rows, columns);
    check_law(mixed(seed, 40), parameters, some_options(), kProgramTolerance);
  }
}

TEST_CASE("every combination of passes agrees on a few random programs", "[passes]") {
  for (std::uint64_t seed = 100; seed < 106; ++seed) {
    INFO("program " << seed);
    ParameterSet parameters = mixed_parameters(4, 6);
    check_law(mixed(seed, 25), parameters, all_options(), kProgramTolerance);
  }
}

TEST_CASE("every combination of passes agrees on a hand-written LSTM", "[passes]") {
  ParameterSet parameters = lstm_parameters(5, 4, Dtype::float32);
  check_law(lstm(6, 3), parameters, all_options());
}

TEST_CASE("passes agree on an LSTM of sizes that the kernels were made for", "[passes]") {
  ParameterSet wide = lstm_parameters(24, 20, Dtype::float32);
  check_law(lstm(7, 9), wide, some_options());
  // More rows than are computed together.
  ParameterSet narrow = lstm_parameters(2, 3, Dtype::float32);
  check_law(lstm(7, 300), narrow, some_options());
}

TEST_CASE("passes agree on derivatives of derivatives", "[passes]") {
  ParameterSet cell = lstm_parameters(3, 2, Dtype::float32);
  check_law(derivative_of(lstm(4, 3)), cell, some_options());
  for (std::uint64_t seed = 200; seed < 212; ++seed) {
    INFO("program " << seed);
    ParameterSet parameters = mixed_parameters(3, 4);
    check_law(derivative_of(mixed(seed, 12)), parameters, some_options(), kProgramTolerance);
  }
}
