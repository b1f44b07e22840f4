// What gradients(loss, parameters) leaves: tensors that belong to nobody else, and the values that
// were to stay readable.
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// A small recurrent net, and all kinds of values beside its loss.
struct Net {
  Variable loss;
  Variables also;
};
Net record_net(Tape& tape, const ParameterSet& p, std::uint64_t data = 1) {
  const Variable x = data_input(tape, p, {3, 4, 4}, data), w = tape.use(p[0]);
  Variable h = tape.constant(0, p.dtype(), {4, 4});
  Variables states;
  for (int t = 0; t < 3; ++t) {
    h = tanh(matmul(h, w) + select(x, 0, t) * p[1]);
    states.push_back(h);
  }
  const Variable outputs = stack(states, 0), aside = exp(w) * 2.0;
  const Variable loss = mean(square(outputs)) + sum(tape.use(p[2]));
  return {loss,
          {h, states[0], outputs, reshape(h, {16}), slice(outputs, 1, 1, 3), select(outputs, 0, 1),
           aside, x, w, tape.constant(3, p.dtype(), {2}), h, loss}};
}

bool is_computed(const Variable& v) { return v.state().values[v.index()] != nullptr; }

}  // namespace

TEST_CASE("values asked for beside the gradients are there afterwards", "[gradients]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  Tape reference({.eager = true});
  const Net expected = record_net(reference, parameters);
  const Gradients expected_gradients = gradients(expected.loss, parameters);
  for (const TapeOptions& options : some_options()) {
    INFO(to_string(options));
    Tape tape(options);
    for (int round = 0; round < 3; ++round) {
      tape.reset();
      const Net net = record_net(tape, parameters);
      const std::size_t nodes = tape.size();
      const Gradients found = gradients(net.loss, parameters, net.also);
      CHECK(tape.size() == nodes);
      CHECK(tape.state().plans.size() == (options.passes.cache ? 1 : 0));
      for (std::size_t k = 0; k < net.also.size(); ++k) {
        INFO("value " << k << ", round " << round);
        CHECK(is_computed(net.also[k]));
        CHECK(difference({expected.also[k].value()}, {net.also[k].value()}) <= 1e-13);
      }
      CHECK(tape.state().plans.size() == (options.passes.cache ? 1 : 0));
      for (const Parameter& p : parameters) {
        CHECK(difference({expected_gradients[p]}, {found[p]}) <= 1e-13);
      }
    }
  }
}

TEST_CASE("each choice of values has a plan of its own", "[gradients]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  Tape tape;
  for (int round = 0; round < 2; ++round) {
    for (const std::vector<std::size_t>& wanted :
         std::vector<std::vector<std::size_t>>{{}, {0}, {1}, {0, 1}}) {
      tape.reset();
      const Net net = record_net(tape, parameters);
      Variables also;
      for (const std::size_t k : wanted) also.push_back(net.also[k]);
      gradients(net.loss, parameters, also);
      for (const std::size_t k : {0u, 1u}) {
        CHECK(is_computed(net.also[k]) == (std::ranges::count(wanted, k) > 0));
      }
    }
    CHECK(tape.state().plans.size() == 4);
  }
}

TEST_CASE("values beside the gradients must be on the tape of the loss", "[gradients]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  Tape tape, other;
  const Variable stale = other.input(Tensor::scalar(1));
  other.reset();
  const Variable elsewhere = other.input(Tensor::scalar(1));
  const Net net = record_net(tape, parameters);
  const std::size_t nodes = tape.size();
  for (const Variable& wrong : {elsewhere, stale, Variable()}) {
    CHECK_THROWS_AS(gradients(net.loss, parameters, {net.also[0], wrong}), StateError);
    CHECK(tape.size() == nodes);
    CHECK_FALSE(is_computed(net.also[0]));
  }
  CHECK(gradients(net.loss, parameters, {net.also[0]}).contains(parameters[0]));
}

TEST_CASE("shards leave values on their tapes", "[gradients]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  Parallel parallel({.shards = 3, .threads = 2});
  for (int round = 0; round < 2; ++round) {
    Variables last(3);
    const LossAndGradients found = parallel.gradients(parameters, [&](Tape& tape, int shard) {
      const Net net = record_net(tape, parameters, static_cast<std::uint64_t>(shard));
      last[static_cast<std::size_t>(shard)] = net.also[0];
      return ShardOutput{net.loss, {net.also[0]}};
    });
    CHECK(found.gradients.contains(parameters[0]));
    for (std::uint64_t shard = 0; shard < 3; ++shard) {
      Tape tape;
      const Variable expected = record_net(tape, parameters, shard).also[0];
      CHECK(is_computed(last[shard]));
      CHECK(difference({expected.value()}, {last[shard].value()}) <= 1e-13);
    }
  }
}

TEST_CASE("gradients may be changed without changing each other or the tape", "[gradients]") {
  ParameterSet parameters(1, Dtype::float64);
  const Scope scope = parameters.scope();
  const Parameter a = scope.parameter("a", {2, 2}, small), b = scope.parameter("b", {2, 2}, small),
                  c = scope.parameter("c", {4}, small), d = scope.parameter("d", {1, 2}, small),
                  e = scope.parameter("e", {1, 2}, small);
  const Tensor factors(Shape{2, 2}, {1.0, 2.0, 3.0, 4.0});
  for (const TapeOptions& options : all_options()) {
    INFO(to_string(options));
    Tape tape(options);
    for (int round = 0; round < 2; ++round) {
      tape.reset();
      const Variable x = tape.input(factors), doubled = x * 2.0;
      const Variable both = tanh(tape.use(a) + b);  // one gradient for two
      const Variable loss =
          sum(both) + sum(reshape(tape.use(c), {2, 2}) * x)        // an input is the gradient
          + sum(concat({tape.use(d), tape.use(e)}, 0) * doubled);  // parts of a value that stays
      Gradients found = gradients(loss, parameters, {doubled, both});
      const Tensor before = found[a];
      Gradients copy = found;
      found.scale(10);
      CHECK(found[a].at(0) == 10 * before.at(0));
      CHECK(found[b].identical(found[a]));
      CHECK(copy[a].identical(before));
      for (std::int64_t i = 0; i < 4; ++i) {
        CHECK(found[c].at(i) == 10 * factors.at(i));
        CHECK(found[i < 2 ? d : e].at(i % 2) == 20 * factors.at(i));
        CHECK(doubled.value().at(i) == 2 * factors.at(i));
        CHECK(before.at(i) == Approx(1 - std::pow(both.value().at(i), 2)).epsilon(1e-13));
        CHECK(x.value().at(i) == factors.at(i));
      }
    }
  }
}

TEST_CASE("a sum of gradients may begin with none", "[gradients]") {
  ParameterSet parameters(1, Dtype::float64);
  const Parameter a = parameters.scope().parameter("a", {3}, small);
  Gradients total;
  for (const double factor : {2.0, 5.0}) {
    Tape tape;
    total.add(gradients(sum(tape.use(a) * factor), parameters));
  }
  CHECK(total[a].identical(Tensor::full({3}, 7.0, Dtype::float64)));
}

TEST_CASE("gradients and values outlive their tape and later runs", "[gradients]") {
  const ParameterSet parameters = program_parameters(Dtype::float64);
  std::vector<Gradients> kept;
  std::vector<Tensor> expected;
  {
    Tape tape;
    for (std::uint64_t data = 1; data < 5; ++data) {
      tape.reset();
      kept.push_back(gradients(record_net(tape, parameters, data).loss, parameters));
      Tape fresh;
      expected.push_back(
          gradients(record_net(fresh, parameters, data).loss, parameters)[parameters[0]]);
    }
  }
  for (std::size_t k = 0; k < kept.size(); ++k) {
    CHECK(kept[k][parameters[0]].identical(expected[k]));
  }
}
