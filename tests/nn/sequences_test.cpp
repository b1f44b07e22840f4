// Ragged batches: the order of the rows, states that come and go, and that a step costs only the
// sequences that have it.
#include <unroll/nn/sequences.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/stacked_cell.h>
#include <unroll/nn/stacked_rnn.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using unroll::testing::CountingCell;
using unroll::testing::MinimalGatedCell;

namespace {

const std::vector<std::int32_t> kLengths{2, 0, 4, 1, 2};
constexpr std::int64_t kSteps = 5, kBatch = 5;

/// Element [t, b] is 10 t + b.
Tensor numbered() {
  Tensor x(Shape{kSteps, kBatch}, Dtype::int32);
  const auto values = x.mutable_data<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::int32_t>(10 * (i / kBatch) + i % kBatch);
  }
  return x;
}

/// Adds its inputs to the state, and notes the batch sizes that it sees.
struct NotingCell {
  std::vector<std::int64_t>* seen;
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch});
  }
  Variable step(const Variable& x, const Variable& h) const {
    seen->push_back(x.shape()[0]);
    return h + x;
  }
};

/// Holds something per sequence outside of its state.
struct ForgetfulCell {
  Variable bias;  ///< [B, 2]
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch, 2});
  }
  Variable step(const Variable& x, const Variable& h) const { return h + x + bias; }
};

/// Its state grows by a Variable a step.
struct GrowingCell {
  using State = Variables;
  State initial_state(const Variable& like, std::int64_t batch) const {
    return {nn::zeros_like(like, {batch, 2})};
  }
  State step(const Variable& x, State s) const {
    s.push_back(x);
    return s;
  }
};

/// Sequence b of [T, B, ...] without its pads: [length, 1, ...].
Variable alone(const Variable& x, std::int64_t b) {
  return slice(slice(x, 1, b, b + 1), 0, 0, kLengths[static_cast<std::size_t>(b)]);
}

void check_near(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a.at(i) == Approx(b.at(i)).margin(1e-12));
}

/// A random contraction of outputs [T, B, ...], of those of one sequence alone if `b` is given.
Variable contracted(const Variable& outputs, const Tensor& weights, std::int64_t b = -1) {
  const Variable w = nn::input_like(outputs, weights);
  return sum(outputs * (b < 0 ? w : alone(w, b)));
}

/// Walks a ragged batch and each of its sequences, from given states: the same outputs, last
/// states, and gradients by everything.
template <class Cell>
void check_one_by_one(const Cell& cell, const nn::ParameterSet& parameters, const Shape& input) {
  for (const bool reverse : {false, true}) {
    INFO("reverse: " << reverse);
    Tape tape;
    const Variable x = tape.input(random_uniform(input, 5));
    auto state = cell.initial_state(x, kBatch);
    Variables wrt{x};
    nn::for_each_variable(state, [&](Variable& v) {
      v = tape.input(random_uniform(v.shape(), 7 + wrt.size()));
      wrt.push_back(v);
    });
    for (const auto& p : parameters) wrt.push_back(tape.use(p));

    const auto batch =
        nn::unroll(cell, x, {.lengths = kLengths, .reverse = reverse, .initial_state = state});
    const Tensor weights = random_uniform(batch.outputs.shape(), 6);
    const auto last = nn::state_variables(batch.last);
    Variable total = contracted(batch.outputs, weights);
    for (const Variable& v : last) total = total + sum(v * v);

    Variable sum_alone = tape.constant(0, Dtype::float64);
    for (std::int64_t b = 0; b < kBatch; ++b) {
      INFO("sequence " << b);
      const auto own = nn::map_state(state, [&](const auto& v) { return slice(v, 0, b, b + 1); });
      const auto one = nn::unroll(cell, alone(x, b), {.reverse = reverse, .initial_state = own});
      check_near(alone(batch.outputs, b).value(), one.outputs.value());
      sum_alone = sum_alone + contracted(one.outputs, weights, b);
      const auto one_last = nn::state_variables(one.last);
      for (std::size_t i = 0; i < last.size(); ++i) {
        check_near(slice(last[i], 0, b, b + 1).value(), one_last[i].value());
        sum_alone = sum_alone + sum(one_last[i] * one_last[i]);
      }
    }
    const auto together = gradients(total, wrt), separate = gradients(sum_alone, wrt);
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      INFO("gradient " << i);
      check_near(together[i].value(), separate[i].value());
    }
  }
}

}  // namespace

TEST_CASE("The rows of a batch are its real steps, the longest sequence first", "[nn]") {
  Tape tape;
  const Variable x = tape.input(numbered());
  for (const bool batch_first : {false, true}) {
    const nn::Sequences sequences(batch_first ? transpose(x, 0, 1) : x, kLengths, batch_first);
    CHECK(sequences.ragged());
    CHECK(sequences.batch() == kBatch);
    REQUIRE(sequences.step_count() == 4);
    CHECK(sequences.rows().value().identical(Tensor(Shape{9}, {2, 0, 4, 3, 12, 10, 14, 22, 32})));
    CHECK(sequences.active_at(0) == 4);
    CHECK(sequences.active_at(3) == 1);
    CHECK(sequences.step(sequences.rows(), 1).value().identical(Tensor(Shape{3}, {12, 10, 14})));

    const Variable padded = sequences.padded(sequences.rows());
    const Tensor time_first = (batch_first ? transpose(padded, 0, 1) : padded).value();
    CHECK(time_first.identical(
        Tensor(Shape{kSteps, kBatch},
               {0, 0, 2, 3, 4, 10, 0, 12, 0, 14, 0, 0, 22, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0})));
    const Variable ids = tape.input(Tensor(Shape{kBatch}, {0, 1, 2, 3, 4}));
    const Variable sorted = sequences.longest_first(ids);
    CHECK(sorted.value().identical(Tensor(Shape{kBatch}, {2, 0, 4, 3, 1})));
    CHECK(sequences.as_given(sorted).value().identical(ids.value()));
  }
}

TEST_CASE("Full sequences are rows as they are", "[nn]") {
  Tape tape;
  const Variable x = tape.input(numbered());
  for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths({5, 5, 5, 5, 5})}) {
    const nn::Sequences sequences(x, lengths, false);
    CHECK_FALSE(sequences.ragged());
    CHECK(sequences.step_count() == kSteps);
    CHECK(sequences.longest_first(x).same_node(x));
    CHECK(sequences.as_given(x).same_node(x));
    CHECK(sequences.padded(sequences.rows()).value().identical(x.value()));
    const nn::Sequences turned(x, lengths, true);
    CHECK(turned.step(turned.rows(), 1).value().identical(select(x, 1, 1).value()));
    CHECK(turned.padded(turned.rows()).value().identical(x.value()));
  }
}

TEST_CASE("A step gets only the sequences that have it", "[nn]") {
  Tape tape;
  const Variable x = tape.input(numbered().to(Dtype::float64));
  std::vector<std::int64_t> seen;
  const auto ahead = nn::unroll(NotingCell{&seen}, x, {.lengths = kLengths});
  CHECK(seen == std::vector<std::int64_t>{4, 3, 1, 1});
  CHECK(ahead.last.value().identical(Tensor(Shape{kBatch}, {10., 0., 68., 3., 18.})));
  seen.clear();
  const auto back = nn::unroll(NotingCell{&seen}, x, {.lengths = kLengths, .reverse = true});
  CHECK(seen == std::vector<std::int64_t>{1, 1, 3, 4});
  CHECK(back.last.value().identical(ahead.last.value()));
  CHECK(slice(back.outputs, 0, 0, 1)
            .value()
            .identical(Tensor(Shape{1, kBatch}, {10., 0., 68., 3., 18.})));
}

TEST_CASE("A ragged batch is its sequences one by one, states, gradients and all", "[nn]") {
  nn::ParameterSet parameters(3, Dtype::float64);
  SECTION("a state of two") {
    const nn::LSTMCell cell(parameters.scope(), 2, 3);
    check_one_by_one(cell, parameters, {kSteps, kBatch, 2});
  }
  SECTION("a list of states") {
    std::vector<nn::LSTMCell> cells;
    for (const char* name : {"a", "b"}) cells.emplace_back(parameters.scope(name), 2, 2);
    check_one_by_one(nn::StackedCell(cells), parameters, {kSteps, kBatch, 2});
  }
  SECTION("nothing but a step") {
    const MinimalGatedCell cell(parameters.scope(), 2, 3);
    check_one_by_one(cell, parameters, {kSteps, kBatch, 2});
  }
  SECTION("parts of several ranks, inputs of rank 4") {
    check_one_by_one(CountingCell{2}, parameters, {kSteps, kBatch, 2, 1});
  }
}

TEST_CASE("Gradients of stacked ragged walks in both directions", "[nn]") {
  nn::ParameterSet parameters(3, Dtype::float64);
  const nn::GRU layer(parameters.scope(), 2, 2, {.layers = 2, .bidirectional = true});
  const auto report = gradcheck(
      [&](std::span<const Variable> x) {
        const auto walked = layer(x[0], {.lengths = kLengths});
        Variables parts = walked.last;
        parts.push_back(reshape(walked.outputs, {-1, 2}));
        return concat(parts, 0);
      },
      {random_uniform({kSteps, kBatch, 2}, 5)});
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("unroll_steps gives padded steps in the caller's order", "[nn]") {
  nn::ParameterSet parameters(3);
  const nn::GRUCell cell(parameters.scope(), 2, 3);
  Tape tape;
  const Variable x = tape.input(random_uniform({kBatch, kSteps, 2}, 5).to(Dtype::float32));
  const nn::UnrollOptions<Variable> options{.lengths = kLengths, .batch_first = true};
  const auto whole = nn::unroll(cell, x, options);
  const auto steps = nn::unroll_steps(cell, x, options);
  REQUIRE(steps.outputs.size() == kSteps);
  CHECK(stack(steps.outputs, 1).value().identical(whole.outputs.value()));
  CHECK(steps.last.value().identical(whole.last.value()));
}

TEST_CASE("One row of a first state stands for all sequences", "[nn]") {
  nn::ParameterSet parameters(3);
  const nn::GRUCell cell(parameters.scope(), 2, 3);
  Tape tape;
  const Variable x = tape.input(random_uniform({kSteps, kBatch, 2}, 5).to(Dtype::float32));
  const Variable row = tape.input(Tensor::full({1, 3}, 0.5));
  const Variable all = tape.input(Tensor::full({kBatch, 3}, 0.5));
  for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths(kLengths)}) {
    const auto a = nn::unroll(cell, x, {.lengths = lengths, .initial_state = row});
    const auto b = nn::unroll(cell, x, {.lengths = lengths, .initial_state = all});
    CHECK(a.last.value().identical(b.last.value()));
  }
}

TEST_CASE("What a cell knows of each sequence has to be in its state", "[nn]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{kSteps, kBatch, 2}));
  const ForgetfulCell cell{tape.input(Tensor(Shape{kBatch, 2}))};
  CHECK(nn::unroll(cell, x).last.value().identical(Tensor(Shape{kBatch, 2})));
  const auto message = thrown_message([&] { nn::unroll(cell, x, {.lengths = kLengths}); });
  CHECK(contains(message, "sequences_test.cpp:"));
  CHECK_THROWS_AS(nn::unroll(cell, x, {.lengths = kLengths}), ShapeError);
  // Where a step has one sequence, its row would fit any number of them.
  CHECK_THROWS_AS(nn::unroll(cell, x, {.lengths = {0, 1, 0, 0, 0}}), ShapeError);
  const Variable narrow = tape.input(Tensor(Shape{2, 2}));
  CHECK(contains(
      thrown_message([&] { nn::unroll(cell, x, {.lengths = kLengths, .initial_state = narrow}); }),
      "the initial state has the shape [2, 2]; expected [5, ...]"));
}

TEST_CASE("The states of a ragged batch have one form", "[nn]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{kSteps, kBatch, 2}));
  CHECK(nn::unroll(GrowingCell{}, x).last.size() == kSteps + 1);
  CHECK_THROWS_AS(nn::unroll(GrowingCell{}, x, {.lengths = kLengths}), StateError);
}

TEST_CASE("Active states shrink, grow and come together again", "[nn]") {
  Tape tape;
  const Variable all = tape.input(Tensor(Shape{4}, {1, 2, 3, 4}));
  nn::ActiveState<Variable> state(all, 4);
  CHECK(state.all().same_node(all));
  state.resize(3);
  state.resize(1);
  CHECK(state.get().value().identical(Tensor(Shape{1}, {1})));
  state.set(state.get() * 10);
  CHECK(state.all().value().identical(Tensor(Shape{4}, {10, 2, 3, 4})));
  state.resize(2);
  state.set(state.get() + 5);
  CHECK(state.get().value().identical(Tensor(Shape{2}, {15, 7})));
  state.resize(3);
  state.resize(4);
  CHECK(state.get().value().identical(Tensor(Shape{4}, {15, 7, 3, 4})));
  state.set(tape.input(Tensor(Shape{3}, {1, 2, 3})));
  CHECK_THROWS_AS(state.resize(2), ShapeError);
}
