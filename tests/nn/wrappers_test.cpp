// Cells around cells.
#include <unroll/nn/nn.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/nn/ragged_input.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Keeps what it reads of an output of ones.
struct Witness {
  struct State {
    Variable h, seen;
  };
  State initial_state(const Variable& like, std::int64_t batch) const {
    const Variable ones = constant_like(like, 1, like.dtype(), {batch, kHidden});
    return {ones, ones};
  }
  State step(const Variable& x, const State& state) const {
    return {constant_like(x, 1, x.dtype(), {x.shape()[0], kHidden}), 1.0 * state.h};
  }
};

Variable row(const Variable& v, std::int64_t b) { return slice(v, 0, b, b + 1); }

/// Compares a ragged walk with that of each of its sequences by itself, which starts with the masks
/// that the batch had.
template <class Cell>
void check_rows(const Cell& cell, bool reverse) {
  Tape tape;
  const Variable x = input_on(tape);
  const auto batch = nn::unroll(cell, x, {.lengths = kLengths, .reverse = reverse});
  for (std::int64_t b = 0; b < kBatch; ++b) {
    const std::int64_t length = kLengths[static_cast<std::size_t>(b)];
    auto start = cell.initial_state(x, 1);
    start.mask.value = row(batch.last.mask.value, b);
    const Variable alone = slice(slice(x, 1, b, b + 1), 0, 0, length);
    const auto walked = nn::unroll(cell, alone, {.reverse = reverse, .initial_state = start});
    check_near(slice(slice(batch.outputs, 1, b, b + 1), 0, 0, length).value(),
               walked.outputs.value());
    check_near(row(nn::output_of(batch.last), b).value(), nn::output_of(walked.last).value());
  }
}

}  // namespace

TEST_CASE("Zoneout keeps elements of the old state while training, else the expectation", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::LSTMCell plain(parameters.scope(), kIn, 64);
  const nn::Zoneout cell(plain, {0.25, 0.5});
  const nn::Zoneout all(plain, {0, 0});
  for (const bool training : {true, false}) {
    Tape tape({.training = training});
    const Variable x = tape.input(random_uniform({16, kIn}, 1).to(Dtype::float32));
    const auto before = plain.step(x, plain.initial_state(x, 16));
    const auto after = plain.step(x, before), mixed = cell.step(x, before);
    CHECK(all.step(x, before).h.value().identical(after.h.value()));
    const std::array<std::array<Tensor, 3>, 2> members{
        {{before.h.value(), after.h.value(), mixed.h.value()},
         {before.c.value(), after.c.value(), mixed.c.value()}}};
    for (std::size_t m = 0; m < 2; ++m) {
      const auto& [old, fresh, got] = members[m];
      const double rate = cell.rates[m];
      std::int64_t kept = 0;
      for (std::int64_t i = 0; i < got.size(); ++i) {
        if (training) {
          CHECK((got.at(i) == old.at(i) || got.at(i) == fresh.at(i)));
          kept += got.at(i) == old.at(i);
        } else {
          CHECK(got.at(i) == Approx(rate * old.at(i) + (1 - rate) * fresh.at(i)).margin(1e-6));
        }
      }
      // Of 1024 elements; four deviations.
      if (training) CHECK(std::abs(static_cast<double>(kept) / 1024 - rate) < 0.0625);
    }
    CHECK(cell.step(x, before).h.value().identical(mixed.h.value()) != training);
  }
}

TEST_CASE("Zoneout wants a rate for everything that the cell remembers", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::LSTMCell lstm(parameters.scope(), kIn, kHidden);
  CHECK_THROWS_AS(nn::Zoneout(lstm, {0.1}), ValueError);
  CHECK_THROWS_AS(nn::Zoneout(lstm, {0.1, 1.0}), ValueError);
  CHECK_THROWS_AS(nn::Zoneout(lstm, {0.1, -0.1}), ValueError);
  CHECK(nn::Zoneout(nn::RecurrentDropout(lstm, 0.5), {0.1, 0.2}).rates.size() == 2);
  CHECK(nn::Residual(nn::Zoneout(lstm, {0.1, 0.2})).cell.rates.size() == 2);
  CHECK_THROWS_AS(nn::Zoneout(nn::Residual(lstm), {0.1, 0.2}), ValueError);
}

TEST_CASE("RecurrentDropout reads its output through one mask at all steps", "[nn]") {
  const nn::RecurrentDropout cell(Witness{}, 0.75);
  Tape tape;
  const Variable x = input_on(tape);
  auto state = cell.initial_state(x, kBatch);
  const Tensor mask = state.mask.value.value();
  for (int t = 0; t < 3; ++t) {
    state = cell.step(select(x, 0, t), state);
    CHECK(state.cell.seen.value().identical(mask));
    CHECK(state.cell.h.value().identical(Tensor::full({kBatch, kHidden}, 1)));
  }
  for (std::int64_t i = 0; i < mask.size(); ++i) CHECK((mask.at(i) == 0 || mask.at(i) == 4));
  CHECK_FALSE(cell.initial_state(x, kBatch).mask.value.value().identical(mask));

  Tape evaluation({.training = false});
  const Variable y = input_on(evaluation);
  const auto carried = decltype(state){
      {evaluation.constant(1, Dtype::float32, {kBatch, kHidden}), evaluation.input(mask)},
      {evaluation.input(mask)}};
  CHECK(cell.step(select(y, 0, 0), carried)
            .cell.seen.value()
            .identical(Tensor::full({kBatch, kHidden}, 1)));
  CHECK_THROWS_AS(nn::RecurrentDropout(Witness{}, 1).initial_state(x, kBatch), ValueError);
}

TEST_CASE("Sequences that begin with one row for all have masks of their own", "[nn]") {
  struct Beginner : Echo {
    Variable initial_state(const Variable& like, std::int64_t) const {
      return nn::zeros_like(like, {1, 64});
    }
  };
  Tape tape;
  const nn::RecurrentDropout cell(Beginner{}, 0.5);
  const Variable mask = cell.initial_state(input_on(tape), 2).mask.value;
  REQUIRE(mask.shape() == Shape{2, 64});
  CHECK_FALSE(row(mask, 0).value().identical(row(mask, 1).value()));
}

TEST_CASE("What a gated unit keeps of its output is not dropped", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::GRUCell plain(parameters.scope(), kIn, kHidden);
  const nn::RecurrentDropout cell(plain, 0.5);
  Tape tape;
  const Variable x = select(input_on(tape), 0, 0);
  auto state = cell.initial_state(x, kBatch);
  state.cell = plain.step(x, state.cell);
  const Variable read = state.cell * state.mask.value;
  CHECK(cell.step(x, state).cell.value().identical(plain.step(x, state.cell, read).value()));
  CHECK(plain.step(x, state.cell, state.cell).value().identical(plain.step(x, state.cell).value()));
}

TEST_CASE("Masks stay with their sequences in ragged batches", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::RecurrentDropout lstm(nn::LSTMCell(parameters.scope("lstm"), kIn, kHidden), 0.5);
  const nn::RecurrentDropout gru(
      nn::LearnedState(parameters.scope("gru"), nn::GRUCell(parameters.scope("gru"), kIn, kHidden),
                       nn::init::normal()),
      0.5);
  for (const bool reverse : {false, true}) {
    check_rows(lstm, reverse);
    check_rows(gru, reverse);
  }
}

TEST_CASE("Wrapped cells encode and decode", "[nn]") {
  struct Dropping : nn::RecurrentDropout<nn::LSTMCell> {
    Dropping(const nn::Scope& scope, std::int64_t in, std::int64_t hidden)
        : RecurrentDropout(nn::LSTMCell(scope, in, hidden), 0.5) {}
  };
  const nn::EncoderDecoderOptions options{
      .source_vocabulary = 8, .target_vocabulary = 7, .embedding = 3, .hidden = 4};
  nn::ParameterSet parameters(1), plain_parameters(1);
  const nn::EncoderDecoder<Dropping> model(parameters.scope(), options);
  const nn::EncoderDecoder<nn::LSTMCell> plain(plain_parameters.scope(), options);
  REQUIRE(parameters.size() == plain_parameters.size());
  const Tensor source(Shape{2, 3}, {4, 5, 6, 7, 0, 0}), target(Shape{2, 3}, {2, 4, 3, 2, 5, 3});
  Tape tape({.training = false});
  CHECK(model.loss(tape, source, target).item() == plain.loss(tape, source, target).item());
  tape.set_training(true);
  CHECK(model.loss(tape, source, target).item() != plain.loss(tape, source, target).item());
  const Tensor mask = model.encode(tape, source).state.cells.front().mask.value.value();
  for (std::int64_t i = 0; i < mask.size(); ++i) CHECK((mask.at(i) == 0 || mask.at(i) == 2));
}

TEST_CASE("LearnedState begins with parameters, one for all sequences", "[nn]") {
  nn::ParameterSet parameters(2, Dtype::float64);
  const auto scope = parameters.scope("cell");
  const nn::LearnedState cell(scope, nn::RecurrentDropout(nn::LSTMCell(scope, kIn, kHidden), 0.5),
                              nn::init::normal());
  REQUIRE(cell.initial.size() == 2);
  CHECK(parameters.at("cell.initial_1").shape() == Shape{kHidden});
  CHECK(parameters.at("cell.initial_1").dtype() == Dtype::float64);
  Tape tape;
  const Variable like = tape.constant(0, Dtype::float64);
  const auto state = cell.initial_state(like, kBatch);
  CHECK(row(state.cell.c, 2)
            .value()
            .identical(parameters.at("cell.initial_1").value().reshaped({1, kHidden})));
  CHECK(state.mask.value.shape() == Shape{kBatch, kHidden});
  const auto g = gradients(sum(state.cell.c), {tape.use(cell.initial[1])});
  CHECK(g[0].value().identical(Tensor::full({kHidden}, kBatch, Dtype::float64)));

  nn::ParameterSet counts;
  const nn::LearnedState counting(counts.scope(), CountingCell{kIn});
  CHECK(counts.at("initial_0").shape() == Shape{});
  CHECK(counts.at("initial_1").shape() == Shape{kIn, 1});
  Tape other;
  CHECK(counting.initial_state(other.constant(0), kBatch)
            .total.value()
            .identical(Tensor(Shape{kBatch, kIn, 1})));
}

TEST_CASE("What padded steps hold has no influence on wrapped cells", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::GRU plain(parameters.scope("gru"), kIn, kHidden,
                      {.layers = 2,
                       .bidirectional = true,
                       .dropout = 0.3,
                       .input_dropout = 0.3,
                       .locked_dropout = true});
  int index = 0;
  const auto layers = plain.wrapped([&](const nn::GRUCell& cell) {
    const auto scope = parameters.scope("learned") / std::to_string(index++);
    return nn::Zoneout(nn::RecurrentDropout(nn::LearnedState(scope, cell), 0.3), {0.2});
  });
  std::vector<std::vector<Tensor>> found;
  for (const double pad : {0.0, std::numeric_limits<double>::quiet_NaN()}) {
    Tape tape;
    const Variable x = input_on(tape, pad);
    const auto walked = layers(x, {.lengths = kLengths});
    Variable loss = sum(square(walked.outputs));
    for (const auto& state : walked.last) loss = loss + sum(state.cell);
    const Variable dx = gradients(loss, {x})[0];
    const Gradients g = gradients(loss, parameters);
    found.push_back({walked.outputs.value(), dx.value()});
    for (const nn::Parameter& p : parameters) found.back().push_back(g[p]);
    CHECK(std::isfinite(loss.item()));
  }
  for (std::size_t k = 0; k < found[0].size(); ++k) CHECK(found[0][k].identical(found[1][k]));
}
