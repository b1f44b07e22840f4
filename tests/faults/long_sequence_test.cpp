// A very long sequence through a recurrent layer, forwards and backwards.
#include <unroll/autograd/random.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("a GRU walks over a very long sequence", "[faults][long]") {
  // A million steps take about 8 GB, most of it for nodes; so there is a smaller selection.
  const std::int64_t steps = cases<std::int64_t>(10000, 1000000);
  constexpr std::int64_t kHidden = 4;
  ParameterSet parameters(1);
  const nn::GRU gru(parameters.scope("gru"), 2, kHidden);
  Tape tape({.training = false});
  const Tensor x = random_uniform({steps, 1, 2}, 1, -1, 1, Dtype::float32);
  Variable last;
  {
    const Tape::NoGradient guard = tape.no_gradient();
    last = gru(tape.input(x)).last[0];
  }
  const Tensor whole = last.value();
  // The same in parts that hand on their state.
  Tensor h(Shape{1, kHidden});
  const std::int64_t part = steps / 10;
  for (std::int64_t begin = 0; begin < steps; begin += part) {
    tape.reset();
    const Variable piece = slice(tape.input(x), 0, begin, begin + part);
    nn::UnrollOptions<nn::GRU::States> options;
    options.initial_state = nn::GRU::States{tape.input(h)};
    h = gru(piece, options).last[0].value();
  }
  for (std::int64_t i = 0; i < kHidden; ++i) {
    CHECK(whole.at(i) == Approx(h.at(i)).margin(1e-5));
  }
}

TEST_CASE("a gradient goes back over a long sequence", "[faults][long]") {
  const std::int64_t steps = cases<std::int64_t>(2000, 1000000);  // a million: 16 GB
  ParameterSet parameters(1);
  const nn::GRU gru(parameters.scope("gru"), 2, 4);
  Tape tape;
  const Variable x = tape.input(random_uniform({steps, 1, 2}, 1, -1, 1, Dtype::float32));
  const Gradients found = gradients(sum(gru(x).last[0]), parameters);
  CHECK(found.finite());
  CHECK(found.norm() > 0);
}
