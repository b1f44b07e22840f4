// unroll: lengths, padding, directions, layouts, empty batches, errors.
#include <unroll/nn/unroll.h>

#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/stacked_rnn.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using unroll::testing::CountingCell;
using unroll::testing::MinimalGatedCell;

namespace {

constexpr std::int64_t kSteps = 4, kBatch = 3, kIn = 2, kHidden = 5;
const std::vector<std::int32_t> kLengths{2, 4, 0};

/// x [T, B, I] with `pad` in place of what lies beyond the lengths.
Tensor with_pads(double pad) {
  Tensor x = random_uniform({kSteps, kBatch, kIn}, 11).to(Dtype::float32);
  const auto values = x.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto t = static_cast<std::int32_t>(i / (kBatch * kIn));
    if (t >= kLengths[i / kIn % kBatch]) values[i] = static_cast<float>(pad);
  }
  return x;
}

struct Outcome {
  std::vector<Tensor> values;  ///< outputs and last states
  std::vector<Tensor> gradients;
};

/// Two bidirectional layers, everything they compute and every gradient.
template <class Layer>
Outcome run(const Layer& layer, const nn::ParameterSet& parameters, const Tensor& input) {
  Tape tape;
  const Variable x = tape.input(input);
  const auto walked = layer(x, {.lengths = kLengths});
  Variables results{walked.outputs};
  for (const auto& state : walked.last) {
    for (const Variable& v : nn::state_variables(state)) results.push_back(v);
  }
  Variables wrt{x}, cotangents;
  for (const auto& p : parameters) wrt.push_back(tape.use(p));
  Outcome outcome;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Tensor cotangent = random_uniform(results[i].shape(), 100 + i).to(Dtype::float32);
    cotangents.push_back(tape.input(cotangent));
    outcome.values.push_back(results[i].value());
  }
  for (const Variable& g : vector_jacobian_product(results, cotangents, wrt)) {
    outcome.gradients.push_back(g.value());
  }
  return outcome;
}

bool identical(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return x.identical(y); });
}

template <class Layer>
void check_padding() {
  nn::ParameterSet parameters(2);
  const Layer layer(parameters.scope(), kIn, kHidden, {.layers = 2, .bidirectional = true});
  const Outcome zeros = run(layer, parameters, with_pads(0));
  for (const double pad :
       {7.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    INFO("pads hold " << pad);
    const Outcome other = run(layer, parameters, with_pads(pad));
    CHECK(identical(zeros.values, other.values));
    CHECK(identical(zeros.gradients, other.gradients));
  }
  const Tensor& outputs = zeros.values[0];
  const Tensor& dx = zeros.gradients[0];
  for (std::int64_t t = 0; t < kSteps; ++t) {
    for (std::int64_t b = 0; b < kBatch; ++b) {
      if (t < kLengths[static_cast<std::size_t>(b)]) continue;
      for (std::int64_t i = 0; i < 2 * kHidden; ++i) {
        CHECK(outputs.at((t * kBatch + b) * 2 * kHidden + i) == 0);
      }
      for (std::int64_t i = 0; i < kIn; ++i) CHECK(dx.at((t * kBatch + b) * kIn + i) == 0);
    }
  }
}

/// Sequence b of a batch [T, B, ...], without its pads: [length, 1, ...].
Variable sequence(const Variable& x, std::int64_t b, std::int64_t length) {
  return slice(slice(x, 1, b, b + 1), 0, 0, length);
}

void check_near(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a.at(i) == Approx(b.at(i)).margin(1e-6));
}

}  // namespace

TEST_CASE("What padded steps hold has no influence, to the bit, not even NaN", "[nn]") {
  check_padding<nn::RNN>();
  check_padding<nn::LSTM>();
  check_padding<nn::GRU>();
}

TEST_CASE("A batch computes what its sequences compute one by one", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::LSTM layer(parameters.scope(), kIn, kHidden, {.layers = 2, .bidirectional = true});
  Tape tape;
  const Variable x = tape.input(with_pads(3));
  const auto batch = layer(x, {.lengths = kLengths});
  for (std::int64_t b = 0; b < kBatch; ++b) {
    const std::int64_t length = kLengths[static_cast<std::size_t>(b)];
    INFO("sequence " << b << " of length " << length);
    const auto alone = layer(sequence(x, b, length));
    check_near(sequence(batch.outputs, b, length).value(), alone.outputs.value());
    for (std::size_t cell = 0; cell < batch.last.size(); ++cell) {
      check_near(slice(batch.last[cell].h, 0, b, b + 1).value(), alone.last[cell].h.value());
      check_near(slice(batch.last[cell].c, 0, b, b + 1).value(), alone.last[cell].c.value());
    }
  }
}

TEST_CASE("reverse walks each sequence from its own end", "[nn]") {
  nn::ParameterSet parameters(4);
  const MinimalGatedCell cell(parameters.scope(), kIn, kHidden);
  Tape tape;
  const Variable x = tape.input(with_pads(3));
  const auto batch = nn::unroll(cell, x, {.lengths = kLengths, .reverse = true});
  for (std::int64_t b = 0; b < kBatch; ++b) {
    const std::int64_t length = kLengths[static_cast<std::size_t>(b)];
    const auto flipped = nn::unroll(cell, flip(sequence(x, b, length), 0));
    check_near(sequence(batch.outputs, b, length).value(), flip(flipped.outputs, 0).value());
    check_near(slice(batch.last, 0, b, b + 1).value(), flipped.last.value());
  }
}

TEST_CASE("bidirectional is both directions side by side", "[nn]") {
  nn::ParameterSet parameters(4);
  const MinimalGatedCell there(parameters.scope("there"), kIn, kHidden);
  const nn::LSTMCell back(parameters.scope("back"), kIn, 2);
  Tape tape;
  const Variable x = tape.input(with_pads(3));
  const auto both = nn::bidirectional(there, back, x, {.lengths = kLengths});
  const auto ahead = nn::unroll(there, x, {.lengths = kLengths});
  const auto behind = nn::unroll(back, x, {.lengths = kLengths, .reverse = true});
  CHECK(both.outputs.value().identical(concat({ahead.outputs, behind.outputs}, -1).value()));
  CHECK(both.forward.value().identical(ahead.last.value()));
  CHECK(both.backward.c.value().identical(behind.last.c.value()));
}

TEST_CASE("A state of any form is kept at padded steps", "[nn]") {
  const CountingCell cell{kIn};
  Tape tape;
  const auto [outputs, last] = nn::unroll(cell, tape.input(with_pads(9)), {.lengths = kLengths});
  CHECK(last.count.value().identical(Tensor(Shape{3}, {2.F, 4.F, 0.F})));
  CHECK(outputs.shape() == Shape{kSteps, kBatch, kIn});
  CHECK(last.total.value().at(4) == 0);
}

TEST_CASE("batch_first exchanges the first two axes of inputs and outputs", "[nn]") {
  nn::ParameterSet parameters(4);
  const MinimalGatedCell cell(parameters.scope("cell"), kIn, kHidden);
  const nn::GRU gru(parameters.scope("gru"), kIn, kHidden, {.layers = 2, .batch_first = true});
  Tape tape;
  const Variable x = tape.input(with_pads(3)), turned = transpose(x, 0, 1);
  const auto a = nn::unroll(cell, x, {.lengths = kLengths});
  const auto b = nn::unroll(cell, turned, {.lengths = kLengths, .batch_first = true});
  CHECK(transpose(b.outputs, 0, 1).value().identical(a.outputs.value()));
  CHECK(b.last.value().identical(a.last.value()));
  CHECK(gru(turned, {.lengths = kLengths}).outputs.shape() == Shape{kBatch, kSteps, kHidden});
}

TEST_CASE("unroll_steps gives the same outputs as a list", "[nn]") {
  nn::ParameterSet parameters(4);
  const nn::GRUCell cell(parameters.scope(), kIn, kHidden);
  Tape tape;
  const Variable x = tape.input(with_pads(3));
  const auto steps = nn::unroll_steps(cell, x, {.lengths = kLengths});
  REQUIRE(steps.outputs.size() == kSteps);
  CHECK(stack(steps.outputs)
            .value()
            .identical(nn::unroll(cell, x, {.lengths = kLengths}).outputs.value()));
}

TEST_CASE("Gradients by the outputs of the steps tell how far back a loss reaches", "[nn]") {
  /// h' = h / 2 + x, so that dL/dh_t halves with every step backwards.
  struct Leak {
    Variable initial_state(const Variable& like, std::int64_t batch) const {
      return nn::zeros_like(like, {batch, kIn});
    }
    Variable step(const Variable& x, const Variable& h) const { return 0.5 * h + x; }
  };
  Tape tape;
  const Variable x = tape.input(with_pads(3));
  const auto full = nn::unroll_steps(Leak{}, x);
  std::vector<double> norms;
  for (const Variable& g : gradients(sum(full.last), full.outputs)) norms.push_back(norm(g).item());
  REQUIRE(norms.size() == kSteps);
  for (std::size_t t = 0; t < norms.size(); ++t) {
    CHECK(norms[t] == Approx(std::sqrt(kBatch * kIn) * std::pow(0.5, kSteps - 1.0 - t)));
  }
}

TEST_CASE("Of no steps or no sequences, the state passes through", "[nn]") {
  nn::ParameterSet parameters(4);
  const nn::LSTM layer(parameters.scope(), kIn, kHidden, {.layers = 2, .bidirectional = true});
  const nn::GRUCell cell(parameters.scope("cell"), kIn, kHidden);
  Tape tape;
  const Variable h = tape.input(Tensor::full({kBatch, kHidden}, 2));
  const auto none = nn::unroll(cell, tape.input(Tensor(Shape{0, kBatch, kIn})),
                               {.lengths = {0, 0, 0}, .initial_state = h});
  CHECK(none.outputs.value().shape() == Shape{0, kBatch, kHidden});
  CHECK(none.last.value().identical(h.value()));
  const auto all_short =
      nn::unroll(cell, tape.input(with_pads(1)), {.lengths = {0, 0, 0}, .initial_state = h});
  CHECK(all_short.last.value().identical(h.value()));
  CHECK(all_short.outputs.value().identical(Tensor(Shape{kSteps, kBatch, kHidden})));

  const auto stacked = layer(tape.input(Tensor(Shape{0, kBatch, kIn})));
  CHECK(stacked.outputs.value().shape() == Shape{0, kBatch, 2 * kHidden});
  const auto empty = layer(tape.input(Tensor(Shape{kSteps, 0, kIn})), {.lengths = {}});
  CHECK(empty.outputs.value().shape() == Shape{kSteps, 0, 2 * kHidden});
  CHECK(empty.last.back().c.value().shape() == Shape{0, kHidden});
}

TEST_CASE("Full sequences record nothing for lengths, others by how many there are", "[nn]") {
  nn::ParameterSet parameters(4);
  const nn::GRUCell cell(parameters.scope(), kIn, kHidden);
  const auto nodes = [&](const nn::Lengths& lengths) {
    Tape tape;
    nn::unroll(cell, tape.input(with_pads(1)), {.lengths = lengths});
    return tape.size();
  };
  CHECK(nodes({}) == nodes({4, 4, 4}));
  CHECK(nodes({4, 4, 3}) > nodes({4, 4, 4}));
  CHECK(nodes({4, 4, 3}) == nodes({2, 4, 4}));
  CHECK(nodes({4, 4, 3}) < nodes({4, 3, 2}));
}

TEST_CASE("Dropout works between layers, while training only", "[nn]") {
  nn::ParameterSet parameters(4);
  const nn::GRU plain(parameters.scope("a"), kIn, kHidden, {.layers = 2});
  const nn::StackedRNN dropping(plain.cells(), {.dropout = 0.5});
  const nn::StackedRNN<nn::GRUCell> one({plain.cells()[0]}, {.dropout = 0.5});
  const nn::StackedRNN<nn::GRUCell> one_plain({plain.cells()[0]});
  for (const bool training : {true, false}) {
    Tape tape({.training = training});
    const Variable x = tape.input(with_pads(1));
    CHECK(dropping(x).outputs.value().identical(plain(x).outputs.value()) != training);
    CHECK(one(x).outputs.value().identical(one_plain(x).outputs.value()));
  }
}

TEST_CASE("Layers have PyTorch's parameter names", "[nn]") {
  nn::ParameterSet parameters;
  const nn::LSTM layer(parameters.scope("rnn"), kIn, kHidden, {.layers = 2, .bidirectional = true});
  std::vector<std::string> names;
  for (const auto& p : parameters) names.push_back(p.name());
  CHECK(names == std::vector<std::string>{"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0",
                                          "rnn.bias_hh_l0", "rnn.weight_ih_l0_reverse",
                                          "rnn.weight_hh_l0_reverse", "rnn.bias_ih_l0_reverse",
                                          "rnn.bias_hh_l0_reverse", "rnn.weight_ih_l1",
                                          "rnn.weight_hh_l1", "rnn.bias_ih_l1", "rnn.bias_hh_l1",
                                          "rnn.weight_ih_l1_reverse", "rnn.weight_hh_l1_reverse",
                                          "rnn.bias_ih_l1_reverse", "rnn.bias_hh_l1_reverse"});
  CHECK(parameters.at("rnn.weight_ih_l1").shape() == Shape{4 * kHidden, 2 * kHidden});
}

TEST_CASE("unroll says what is wrong, with the caller's line", "[nn]") {
  nn::ParameterSet parameters(4);
  const nn::GRUCell cell(parameters.scope("cell"), kIn, kHidden);
  const nn::GRU gru(parameters.scope("gru"), kIn, kHidden, {.layers = 2});
  Tape tape;
  const Variable x = tape.input(with_pads(1));
  const auto message = thrown_message([&] { nn::unroll(cell, x, {.lengths = {1, 2}}); });
  CHECK(contains(message, "unroll_test.cpp:"));
  CHECK(contains(message, "unroll: got 2 lengths for a batch of 3"));
  CHECK_THROWS_AS(nn::unroll(cell, x, {.lengths = {1, 2}}), ShapeError);
  CHECK_THROWS_AS(nn::unroll(cell, x, {.lengths = {1, 2, 5}}), ValueError);
  CHECK_THROWS_AS(nn::unroll(cell, x, {.lengths = {1, 2, -1}}), ValueError);
  CHECK_THROWS_AS(nn::unroll(cell, select(select(x, 0, 0), 0, 0)), ShapeError);
  CHECK_THROWS_AS(gru(x, {.initial_state = Variables{tape.input(Tensor(Shape{3, 5}))}}),
                  ValueError);
  CHECK_THROWS_AS(nn::Lengths(Tensor(Shape{2}, {1.F, 2.F})), DtypeError);
  CHECK_THROWS_AS(nn::Lengths(Tensor(Shape{1, 2}, {1, 2})), ShapeError);
  const Variable narrow = tape.input(Tensor(Shape{4, 3, 1}));
  CHECK(contains(thrown_message([&] { gru(narrow); }), "unroll_test.cpp:"));
  CHECK_THROWS_AS(gru(narrow), ShapeError);
  CHECK_THROWS_AS(nn::StackedRNN(std::vector<nn::GRUCell>{}), ValueError);
  CHECK_THROWS_AS(nn::StackedRNN(std::vector{cell}, {.bidirectional = true}), ValueError);
}

TEST_CASE("Lengths may be a tensor or a variable", "[nn]") {
  Tape tape;
  const Tensor tensor(Shape{3}, {2, 4, 0});
  CHECK(nn::Lengths(tensor).values() == kLengths);
  CHECK(nn::Lengths(tape.input(tensor)).values() == kLengths);
  CHECK(nn::length_mask({1, 3}, 3).identical(
      Tensor(Shape{2, 3}, {true, false, false, true, true, true})));
  const Tensor ids(Shape{2, 3}, {5, 0, 6, 7, 0, 0});
  CHECK(nn::lengths_of(ids, 0).values() == std::vector<std::int32_t>{3, 1});
  CHECK(nn::Lengths({2, 1}).or_full(2, 3) == std::vector<std::int32_t>{2, 1});
  CHECK(nn::Lengths().or_full(2, 3) == std::vector<std::int32_t>{3, 3});
  CHECK(nn::time_first(ids).identical(Tensor(Shape{3, 2}, {5, 7, 0, 0, 6, 0})));
  CHECK(nn::columns(ids, 1, 3).identical(Tensor(Shape{2, 2}, {0, 6, 0, 0})));
  CHECK_THROWS_AS(nn::columns(ids, 1, 4), ShapeError);
}
