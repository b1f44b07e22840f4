// What StackedRNN does between its layers.
#include <set>

#include <unroll/autograd/error.h>
#include <unroll/nn/nn.h>
#include <unroll/tests/nn/ragged_input.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("Residual connections, by layers and by steps", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::GRU plain(parameters.scope(), kIn, kHidden, {.layers = 3});
  const nn::StackedRNN by_layer(plain.cells(), {.residual = true});
  const nn::GRU two_ways(parameters.scope("two"), kIn, 2,
                         {.layers = 2, .bidirectional = true, .residual = true});
  Tape tape;
  const Variable x = input_on(tape);
  const auto first = nn::unroll(plain.cells()[0], x, {.lengths = kLengths});
  const auto second = nn::unroll(plain.cells()[1], first.outputs, {.lengths = kLengths});
  const Variable sum = second.outputs + first.outputs;
  const auto third = nn::unroll(plain.cells()[2], sum, {.lengths = kLengths});
  const auto found = by_layer(x, {.lengths = kLengths});
  check_near(found.outputs.value(), (third.outputs + sum).value());
  check_near(found.last[2].value(), third.last.value());
  CHECK(two_ways(x).outputs.shape() == Shape{kSteps, kBatch, 4});

  const nn::Residual upper(plain.cells()[1]);
  const auto by_step = nn::unroll(upper, first.outputs, {.lengths = kLengths});
  check_near(by_step.outputs.value(), sum.value());
  check_near(by_step.last.cell.value(), second.last.value());
  const nn::StackedCell both(
      std::vector{nn::Residual(plain.cells()[1]), nn::Residual(plain.cells()[2])});
  check_near(nn::unroll(both, first.outputs, {.lengths = kLengths}).outputs.value(),
             found.outputs.value());

  CHECK_THROWS_AS(nn::unroll(nn::Residual(plain.cells()[0]), x), ShapeError);
  const nn::GRU uneven(parameters.scope("uneven"), kIn, {3, 4}, {.residual = true});
  const auto message = thrown_message([&] { uneven(x); });
  CHECK(contains(message, "stacked_rnn_test.cpp:"));
  CHECK(contains(message, "residual connection: got the input [12, 3] and the output [12, 4]"));
  CHECK_THROWS_AS(uneven(x), ShapeError);
}

TEST_CASE("Layers may have different widths", "[nn]") {
  nn::ParameterSet parameters(2);
  const nn::LSTM layers(parameters.scope("lstm"), kIn, {4, 3, 6}, {.bidirectional = true});
  CHECK(parameters.at("lstm.weight_ih_l1").shape() == Shape{12, 8});
  CHECK(parameters.at("lstm.weight_hh_l1_reverse").shape() == Shape{12, 3});
  CHECK(parameters.at("lstm.weight_ih_l2_reverse").shape() == Shape{24, 6});
  const nn::LSTM projected(parameters.scope("projected"), kIn, {4, 5}, {}, {.projection = 2});
  CHECK(parameters.at("projected.weight_ih_l1").shape() == Shape{20, 2});
  CHECK(parameters.at("projected.weight_hr_l1").shape() == Shape{2, 5});
  Tape tape;
  const auto walked = layers(input_on(tape), {.lengths = kLengths});
  CHECK(walked.outputs.value().shape() == Shape{kSteps, kBatch, 12});
  CHECK(walked.last[3].c.shape() == Shape{kBatch, 3});
  CHECK(layers.initial_state(input_on(tape), 7)[5].h.shape() == Shape{7, 6});
  CHECK(projected(input_on(tape)).last[1].c.shape() == Shape{kBatch, 5});
  CHECK_THROWS_AS(nn::GRU(parameters.scope("none"), kIn, std::vector<std::int64_t>{}), ValueError);
  CHECK_THROWS_AS(nn::GRU(parameters.scope("none"), kIn, 3, {.layers = 0}), ValueError);
  CHECK_THROWS_AS(nn::GRU(parameters.scope("none"), kIn, {3, 4}, {.layers = 3}), ValueError);
  CHECK(nn::GRU(parameters.scope("two"), kIn, {3, 4}, {.layers = 2}).layers() == 2);
}

TEST_CASE("Locked dropout has one mask for all steps of a sequence", "[nn]") {
  for (const bool locked : {true, false}) {
    for (const bool inputs : {true, false}) {
      for (const nn::Lengths& lengths : {nn::Lengths(), nn::Lengths(kLengths)}) {
        const nn::StackedRNN layers(std::vector<Echo>(2), {.dropout = inputs ? 0 : 0.5,
                                                           .input_dropout = inputs ? 0.5 : 0,
                                                           .locked_dropout = locked});
        Tape tape;
        const Variable x = tape.constant(1, Dtype::float32, {kSteps, kBatch, kHidden});
        const Tensor y = layers(x, {.lengths = lengths}).outputs.value();
        bool constant = true, same_for_all = true;
        std::set<double> values;
        for (std::int64_t t = 0; t < kSteps; ++t) {
          for (std::int64_t b = 0; b < kBatch; ++b) {
            const bool pad = lengths.given() && t >= kLengths[static_cast<std::size_t>(b)];
            for (std::int64_t i = 0; i < kHidden; ++i) {
              const double v = y.at((t * kBatch + b) * kHidden + i);
              if (pad) {
                CHECK(v == 0);
              } else {
                values.insert(v);
                constant = constant && v == y.at(b * kHidden + i);
                same_for_all = same_for_all && v == y.at(kHidden + i);
              }
            }
          }
        }
        CHECK(values == std::set<double>{0, 2});
        CHECK(constant == locked);
        CHECK_FALSE(same_for_all);
        tape.reset();
        tape.set_training(false);
        const Variable again = tape.constant(1, Dtype::float32, {kSteps, kBatch, kHidden});
        CHECK(layers(again).outputs.value().identical(again.value()));
      }
    }
  }
}
