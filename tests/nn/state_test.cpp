#include <unroll/nn/state.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/gru_cell.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/nn/rnn_cell.h>
#include <unroll/nn/stacked_cell.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using unroll::testing::CountingCell;
using unroll::testing::MinimalGatedCell;

namespace {

struct Pair {
  Variable h, c;
};
struct Deep {
  Pair a;
  std::vector<Pair> b;
  Variable c;
};
struct Eight {
  Variable a, b, c, d, e, f, g, h;
};
struct Nine {
  Variable a, b, c, d, e, f, g, h, i;
};
struct WithNumber {
  Variable h;
  int step;
};
struct Empty {};

static_assert(nn::State<Variable> && nn::State<Pair> && nn::State<Deep> && nn::State<Eight>);
static_assert(nn::State<std::vector<Pair>> && nn::State<std::vector<Variables>>);
static_assert(!nn::State<Nine> && !nn::State<WithNumber> && !nn::State<Empty> && !nn::State<int>);

struct NoStep {
  Variable initial_state(const Variable& like, std::int64_t) const { return like; }
};
struct NoInitialState {
  Variable step(const Variable&, const Variable& h) const { return h; }
};
static_assert(nn::RecurrentCell<MinimalGatedCell> && nn::RecurrentCell<CountingCell>);
static_assert(nn::RecurrentCell<nn::StackedCell<nn::LSTMCell>>);
static_assert(nn::HasState<NoStep> && !nn::HasStep<NoStep> && !nn::RecurrentCell<NoStep>);
static_assert(!nn::HasInitialState<NoInitialState>);

Variable numbers(Tape& tape, std::initializer_list<float> values) {
  return tape.input(Tensor(Shape{static_cast<std::int64_t>(values.size()), 1}, values));
}

}  // namespace

TEST_CASE("A state's variables come in order of declaration", "[nn]") {
  Tape tape;
  Variables v;
  for (int i = 0; i < 7; ++i) v.push_back(tape.constant(i));
  const Deep deep{{v[0], v[1]}, {{v[2], v[3]}, {v[4], v[5]}}, v[6]};
  const auto found = nn::state_variables(deep);
  REQUIRE(found.size() == v.size());
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(found[i].same_node(v[i]));
  CHECK(nn::output_of(deep).same_node(v[0]));
  CHECK(nn::output_of(deep.b).same_node(v[4]));
  CHECK(nn::output_of(v[3]).same_node(v[3]));

  const Deep negative = nn::map_state(deep, [](const Variable& x) { return -x; });
  CHECK(negative.b[1].c.item() == -5);
  CHECK(deep.b[1].c.item() == 5);
  const Deep sums =
      nn::map_states(deep, negative, [](const auto& a, const auto& b) { return a + 2.0 * b; });
  CHECK(sums.c.item() == -6);
}

TEST_CASE("Rows of a state, and states one after another", "[nn]") {
  Tape tape;
  const CountingCell::State state{
      tape.input(Tensor(Shape{3}, {1.F, 2.F, 3.F})),
      tape.input(Tensor(Shape{3, 2, 1}, {1.F, 1.F, 2.F, 2.F, 3.F, 3.F}))};
  const auto first = nn::state_rows(state, 3, 0, 1), rest = nn::state_rows(state, 3, 1, 3);
  CHECK(rest.count.value().identical(Tensor(Shape{2}, {2.F, 3.F})));
  const std::vector<CountingCell::State> parts{rest, first};
  const auto joined = nn::joined_rows<CountingCell::State>(parts);
  CHECK(joined.count.value().identical(Tensor(Shape{3}, {2.F, 3.F, 1.F})));
  CHECK(joined.total.value().identical(Tensor(Shape{3, 2, 1}, {2.F, 2.F, 3.F, 3.F, 1.F, 1.F})));
  CHECK(contains(thrown_message([&] { nn::state_rows(state, 2, 0, 1); }),
                 "the state has the shape [3]; expected [2, ...]"));
  CHECK_THROWS_AS(nn::state_rows(tape.constant(1), 1, 0, 1), ShapeError);
}

TEST_CASE("A detached state lets no gradient through", "[nn]") {
  Tape tape;
  const Variable x = numbers(tape, {3});
  const Pair cut = nn::detached(Pair{x * x, x});
  const auto g = gradients(sum(cut.h * cut.c * x), {x});
  CHECK(g[0].item() == 27);
}
