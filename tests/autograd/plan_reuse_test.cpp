// Plans that are found again: for other numbers they are right, for another structure they are not
// taken. Every result on a tape with a past is compared, bit by bit, with that on a fresh one.
#include <initializer_list>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Records on a tape that was reset, and computes.
using Task = std::function<Found(Tape& tape)>;

/// A task that computes the values of what `record` returns in one run.
template <class F>
Task values_of(const F& record) {
  return [record](Tape& tape) {
    const Variables roots = record(tape);
    evaluate(roots);
    Found found;
    for (const Variable& root : roots) found.push_back(root.value());
    return found;
  };
}

Found on_fresh_tape(const Task& task, std::uint64_t seed = 0) {
  Tape tape;
  tape.reset(seed);
  return task(tape);
}

/// The tasks in turn, three times over, on one tape.
void check_in_turn(const std::vector<Task>& tasks) {
  Tape tape;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t k = 0; k < tasks.size(); ++k) {
      INFO("task " << k << ", round " << round);
      tape.reset();
      CHECK(identical(tasks[k](tape), on_fresh_tape(tasks[k])));
    }
  }
}

Tensor ramp(const Shape& shape, double first = -1) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.size(); ++i) values.push_back(first + 0.25 * double(i));
  return Tensor(shape, values);
}

/// d/dp of sum(f) for every parameter.
Found gradients_of(const Variable& y, const ParameterSet& parameters) {
  const Gradients g = gradients(sum(y), parameters);
  Found found;
  for (const Parameter& p : parameters) found.push_back(g[p]);
  return found;
}

}  // namespace

TEST_CASE("a plan computes with the numbers of the recording", "[plans]") {
  Tape tape;
  const ParameterSet parameters = program_parameters(Dtype::float64);
  for (std::uint64_t k = 0; k < 4; ++k) {
    const double number = 0.5 + double(k);
    const Task task = [&](Tape& on) {
      const Variable x = on.input(ramp({4, 4}, number)), m = on.use(parameters[0]);
      const Variable c = on.constant(number, Dtype::float64, {4, 4});
      const Variable y = tanh(x * m) * c + number * dropout(m, 0.5) + pow(x + 4.0, 1 + number);
      Found found = gradients_of(y / number, parameters);
      evaluate({y});
      found.push_back(y.value());
      return found;
    };
    tape.reset(k);
    CHECK(identical(task(tape), on_fresh_tape(task, k)));
    CHECK(tape.state().plans.size() == 2);
  }
}

TEST_CASE("a plan is not taken for other attributes, types, operands or leaves", "[plans]") {
  const auto task = [](auto f, const Shape& shape = {3, 2}, Dtype dtype = Dtype::float64) {
    return values_of([=](Tape& tape) {
      const Variable x = tape.input(ramp(shape).to(dtype)),
                     y = tape.input(ramp(shape, 2).to(dtype));
      return Variables{f(x, y) * 2.0};
    });
  };
  using V = const Variable&;
  const auto limited = [](double low) { return [low](V x, V) { return clamp(x, low, 0.5); }; };
  const auto summed = [](int axis) { return [axis](V x, V) { return sum(x, axis, true); }; };
  const auto swapped = [](bool swap) {
    return [swap](V x, V y) { return swap ? sub(y, x) : sub(x, y); };
  };
  const auto part = [](std::int64_t at) {
    return [at](V x, V) { return slice(x, 0, at, at + 2); };
  };
  check_in_turn({task(limited(-0.5)), task(limited(-0.25)), task(limited(0))});
  check_in_turn({task(summed(0)), task(summed(1))});
  check_in_turn({task(swapped(false)), task(swapped(true))});
  check_in_turn({task(part(0)), task(part(1))});
  check_in_turn({task(swapped(true)), task(swapped(true), {2, 3}), task(swapped(true), {6}),
                 task(swapped(true), {3, 2}, Dtype::float32)});
  // A leaf of another kind in the same place.
  ParameterSet set(1, Dtype::float64);
  const Parameter p = set.scope().parameter("p", {3, 2}, small);
  const auto leaf = [&](int kind) {
    return values_of([&p, kind](Tape& tape) {
      const Variable x = kind == 0   ? tape.input(ramp({3, 2}))
                         : kind == 1 ? tape.use(p)
                                     : tape.constant(0.5, Dtype::float64, {3, 2});
      return Variables{tanh(x) * x};
    });
  };
  check_in_turn({leaf(0), leaf(1), leaf(2)});
}

TEST_CASE("a plan is not taken where gradients flow elsewhere", "[plans]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  const auto task = [&](int kind) -> Task {
    return [&parameters, kind](Tape& tape) {
      tape.set_training(kind != 3);
      const Variable m = tape.use(parameters[0]);
      Variable y;
      if (kind == 1) {
        const auto guard = tape.no_gradient();
        y = tanh(m);
      } else {
        y = kind == 2 ? detach(tanh(m)) : tanh(m);
      }
      return gradients_of(dropout(y * m, 0.5), parameters);
    };
  };
  check_in_turn({task(0), task(1), task(2), task(3)});
}

TEST_CASE("gradients for other parameters, on one recording and on several", "[plans]") {
  ParameterSet a = program_parameters(Dtype::float64), b = lstm_parameters(4, 1, Dtype::float64);
  const ParameterSet twin = [] {
    ParameterSet set(77, Dtype::float64);
    for (const char* name : {"matrix", "other"}) set.scope().parameter(name, {4, 4}, small);
    return set;
  }();
  const auto loss = [&](Tape& tape, const Parameter& matrix) {
    return sum(tanh(matmul(tape.use(matrix), tape.use(b[0])) + tape.use(b[2]) * a[1]));
  };
  const auto task = [&](const ParameterSet& wrt, const Parameter& matrix,
                        bool value_first) -> Task {
    return [&, matrix, value_first](Tape& tape) {
      const Variable l = loss(tape, matrix);
      if (value_first) l.item();
      Found found = gradients_of(l, wrt);
      found.push_back(l.value());
      return found;
    };
  };
  check_in_turn({task(a, a[0], false), task(b, a[0], false), task(b, twin[0], false),
                 task(twin, twin[0], false), task(twin, twin[1], false), task(a, a[0], true),
                 task(twin, twin[1], true)});
  // One after another on the same recording.
  Tape tape;
  for (int round = 0; round < 3; ++round) {
    tape.reset();
    const Variable l = loss(tape, twin[0]);
    for (const ParameterSet* wrt : std::initializer_list<const ParameterSet*>{&a, &b, &twin, &a}) {
      CHECK(identical(gradients_of(l, *wrt), [&] {
        Tape fresh;
        return gradients_of(loss(fresh, twin[0]), *wrt);
      }()));
    }
  }
}

TEST_CASE("a parameter's new value is used by an old plan", "[plans]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  const Task task = [&](Tape& tape) {
    return gradients_of(tanh(tape.use(parameters[0]) * parameters[1]), parameters);
  };
  Tape tape;
  for (std::uint64_t k = 0; k < 3; ++k) {
    tape.reset();
    CHECK(identical(task(tape), on_fresh_tape(task)));
    parameters[0].assign(small({4, 4}, 100 + k));
    parameters[1].update<double>()[0] += 0.5;
  }
  CHECK(tape.state().plans.size() == 1);
}

TEST_CASE("values that are there already are part of the structure", "[plans]") {
  // The same program, computed in other portions.
  const auto task = [](int kind) -> Task {
    return [kind](Tape& tape) {
      const Variable x = tape.input(ramp({3, 4})), a = tanh(x) * 2.0, b = sum(a, 0);
      const Variable part = slice(a, 0, 1, 3), c = part * b, d = sum(exp(c));
      if (kind == 1) evaluate({a});
      if (kind == 2) b.value();
      if (kind == 3) evaluate({b, part});
      if (kind == 4) evaluate({c, a});
      evaluate({d});
      return Found{a.value(), b.value(), part.value(), c.value(), d.value()};
    };
  };
  check_in_turn({task(0), task(1), task(2), task(3), task(4)});
}

TEST_CASE("roots of all kinds", "[plans]") {
  ParameterSet set(1, Dtype::float64);
  const Parameter p = set.scope().parameter("p", {2, 3}, small);
  const auto record = [&](Tape& tape) {
    const Variable x = tape.input(ramp({2, 3})), w = tape.use(p), y = tanh(x) * w;
    const Variable both = concat({y, x}, 1), above = concat({y, y, x}, 0);
    return Variables{y,
                     reshape(y, {6}),
                     select(reshape(y, {3, 2}), 0, 1),
                     x,
                     w,
                     y,
                     both,
                     slice(both, 1, 1, 4),
                     above,
                     slice(above, 0, 1, 3),
                     tape.constant(3, Dtype::float64, {2}),
                     slice(x, 0, 1, 2),
                     sum(slice(both, 1, 2, 5) * 2.0),
                     detach(y)};
  };
  check_in_turn({values_of(record)});
  const Found all = on_fresh_tape(values_of(record));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      INFO("roots " << i << " and " << k);
      Tape tape;
      const auto roots = record(tape);
      evaluate({roots[i], roots[k]});
      CHECK(roots[i].value().identical(all[i]));
      CHECK(roots[k].value().identical(all[k]));
    }
  }
}

TEST_CASE("the loss may be a leaf, an alias or the sum of itself", "[plans]") {
  ParameterSet set(1, Dtype::float64);
  const Parameter p = set.scope().parameter("p", {}, small);
  const auto task = [&](int kind) -> Task {
    return [&p, &set, kind](Tape& tape) {
      const Variable x = tape.use(p);
      const Variable loss = kind == 0   ? x
                            : kind == 1 ? reshape(x, {1, 1})
                            : kind == 2 ? reshape(reshape(tanh(x), {1}), Shape{})
                                        : x + x;
      const Gradients g = gradients(loss, set);
      return Found{g[p], loss.value()};
    };
  };
  check_in_turn({task(0), task(1), task(2), task(3)});
  Tape tape;
  CHECK(task(0)(tape)[0].item() == 1);
  CHECK(task(3)(tape)[0].item() == 2);
}

TEST_CASE("a kernel that fails in an old plan leaves the tape as it was", "[plans]") {
  ParameterSet parameters(3, Dtype::float64);
  const Parameter table = parameters.scope().parameter("table", {5, 3}, small);
  const Parameter weight = parameters.scope().parameter("weight", {3, 3}, small);
  const auto record = [&](Tape& tape, std::int32_t id) {
    const Variable ids = tape.input(Tensor(Shape{3}, {1, id, 3}));
    return sum(tanh(matmul(rows(tape.use(table), ids) * 2.0, weight)));
  };
  const auto task = [&](std::int32_t id) -> Task {
    return [&, id](Tape& tape) {
      const Variable loss = record(tape, id);
      Found found = gradients_of(loss, parameters);
      found.push_back(loss.value());
      return found;
    };
  };
  Tape tape;
  for (const std::int32_t id : {0, 9, 2, 9, -1, 4}) {
    tape.reset();
    if (id >= 0 && id < 5) {
      CHECK(identical(task(id)(tape), on_fresh_tape(task(id))));
      continue;
    }
    const Variable loss = record(tape, id), fine = tanh(tape.use(weight));
    const std::size_t size = tape.size();
    CHECK_THROWS_AS(gradients(loss, parameters), ValueError);
    CHECK(tape.size() == size);
    CHECK_THROWS_AS(evaluate({fine, loss}), ValueError);
    CHECK_THROWS_AS(loss.item(), ValueError);
    evaluate({fine});
    CHECK(fine.value().at(0) == Approx(std::tanh(weight.value().at(0))));
  }
}

TEST_CASE("an error in an old plan names the line of this recording", "[plans]") {
  Tape tape;
  for (const std::int32_t id : {0, 7, 1, 9}) {
    for (const bool first : {true, false}) {
      tape.reset();
      const Variable table = tape.input(ramp({4, 2}));
      const Variable ids = tape.input(Tensor(Shape{1}, {id}));
      Variable y;
      const int line = __LINE__;
      if (first) {
        y = rows(table, ids);
      } else {
        y = rows(table, ids);
      }
      const std::string message = thrown_message([&] { evaluate({y * 2.0}); });
      const bool out_of_range = id > 3;
      const std::string place = "plan_reuse_test.cpp:" + std::to_string(line + (first ? 2 : 4));
      CHECK(contains(message, place) == out_of_range);
    }
  }
}

TEST_CASE("a value that a failed call has asked for misleads no later pass", "[autograd]") {
  Tape tape;
  const Tensor x(Shape{3}, {0.5, -1.0, 2.0});
  const auto pass = [&](int fails) {
    tape.reset();
    const Variable a = tanh(tape.input(x));
    const auto call = [&] {
      recorded(a, Location::current(), "call", [&] {
        const Variable b = a + 1.0;
        if (fails == 2) a.value();
        throw ValueError("of " + to_string(b.shape()));
      });
    };
    if (fails > 0) CHECK_THROWS_AS(call(), ValueError);
    return (exp(a) * 2.0).value();
  };
  const Tensor first = pass(2);
  for (const int fails : {0, 1, 2, 1, 0}) CHECK(pass(fails).identical(first));
}
