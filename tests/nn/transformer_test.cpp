#include <unroll/nn/transformer.h>

#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/positional_encoding.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 3, kSteps = 4, kWidth = 4;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::vector<std::int32_t> kLengths{4, 0, 2};

nn::TransformerStackOptions tiny(bool norm_first, bool batch_first = false) {
  return {.layer = {.heads = 2,
                    .feedforward = 5,
                    .activation = nn::TransformerActivation::gelu,
                    .norm_first = norm_first,
                    .batch_first = batch_first},
          .final_norm = norm_first};
}

/// x [T, B, W] with NaN beyond the lengths.
Tensor poisoned(Tensor x) {
  auto out = x.mutable_data<double>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t step = i / kWidth;
    if (static_cast<std::int32_t>(step / kBatch) >= kLengths[step % kBatch]) out[i] = kNaN;
  }
  return x;
}

}  // namespace

TEST_CASE("Transformer: gradients, and steps beyond the lengths have no influence", "[nn]") {
  for (const bool norm_first : {false, true}) {
    nn::ParameterSet parameters(1, Dtype::float64);
    const nn::TransformerEncoder encoder(parameters.scope("encoder"), 2, kWidth, tiny(norm_first));
    const nn::TransformerDecoder decoder(parameters.scope("decoder"), 2, kWidth, tiny(norm_first));
    const Tensor x = testing::uniform({kSteps, kBatch, kWidth}),
                 y = testing::uniform({kSteps, kBatch, kWidth}),
                 c = testing::uniform({kSteps, kBatch, kWidth});
    const auto loss = [&](Tape& tape, const Tensor& source, const Tensor& target) {
      const Variable memory = encoder(tape.input(source), {.lengths = kLengths});
      const Variable out =
          decoder(tape.input(target), memory, {.lengths = kLengths, .memory_lengths = kLengths});
      return sum(out * tape.input(c)) + sum(square(memory));
    };
    const auto report = gradcheck(parameters, [&](Tape& tape) { return loss(tape, x, y); },
                                  {.exhaustive_limit = 0, .directions = 24});
    INFO(report.message);
    CHECK(report.ok);

    Tape tape;
    const Variable clean = loss(tape, x, y), other = loss(tape, poisoned(x), poisoned(y));
    CHECK(std::isfinite(clean.item()));
    CHECK(clean.item() == other.item());
    const Gradients a = gradients(clean, parameters), b = gradients(other, parameters);
    for (const auto& p : parameters) CHECK(a[p].identical(b[p]));
    const Tensor out = encoder(tape.input(x), {.lengths = kLengths}).value();
    for (std::int64_t i = 0; i < out.size(); ++i) {
      const std::int64_t step = i / kWidth;
      if (step / kBatch >= kLengths[static_cast<std::size_t>(step % kBatch)]) CHECK(out.at(i) == 0);
    }
  }
}

TEST_CASE("Transformer: step by step is the whole sequence", "[nn]") {
  for (const bool norm_first : {false, true}) {
    for (const bool batch_first : {false, true}) {
      nn::ParameterSet parameters(1, Dtype::float64);
      const nn::TransformerDecoder decoder(parameters.scope(), 2, kWidth,
                                           tiny(norm_first, batch_first));
      const int time_axis = batch_first ? 1 : 0;
      const Shape shape =
          batch_first ? Shape{kBatch, kSteps, kWidth} : Shape{kSteps, kBatch, kWidth};
      Tape tape;
      const Variable x = tape.input(testing::uniform(shape)),
                     m = tape.input(testing::uniform(shape));
      const Tensor whole = decoder(x, m, {.memory_lengths = kLengths}).value();
      const auto memory = decoder.prepare(m, kLengths);
      auto state = decoder.initial_state(x, kBatch);
      std::vector<Variable> outputs;
      for (std::int64_t t = 0; t < kSteps; ++t) {
        auto next = decoder.step(select(x, time_axis, t), state, memory);
        outputs.push_back(next.output);
        CHECK(next.weights.shape() == Shape{kBatch, 2, 1, kSteps});
        // What is carried to another tape is all that is needed.
        state = nn::Carried(next.state).on(tape);
      }
      testing::check_close(stack(outputs, time_axis).value(), whole, 1e-12);
    }
  }
}

TEST_CASE("Transformer: dropout is active while training only", "[nn]") {
  nn::ParameterSet parameters(1);
  auto options = tiny(false);
  options.layer.dropout = 0.3;
  const nn::TransformerEncoder encoder(parameters.scope(), 1, kWidth, options);
  const Tensor x = testing::uniform({kSteps, kBatch, kWidth}).to(Dtype::float32);
  const auto output = [&](bool training, std::uint64_t seed) {
    Tape tape({.training = training, .seed = seed});
    return encoder(tape.input(x)).value();
  };
  CHECK(output(true, 1).identical(output(true, 1)));
  CHECK_FALSE(output(true, 1).identical(output(true, 2)));
  CHECK(output(false, 1).identical(output(false, 2)));
}

TEST_CASE("Positions: sines and cosines of falling frequency", "[nn]") {
  const Tensor p = nn::sinusoidal_positions(3, 5, 2, Dtype::float64);
  REQUIRE(p.shape() == Shape{3, 5});
  for (std::int64_t t = 0; t < 3; ++t) {
    const auto place = static_cast<double>(t + 2);
    CHECK(p.at(t * 5) == Approx(std::sin(place)));
    CHECK(p.at(t * 5 + 1) == Approx(std::cos(place)));
    CHECK(p.at(t * 5 + 2) == Approx(std::sin(place / std::pow(10000, 0.4))));
    CHECK(p.at(t * 5 + 3) == Approx(std::cos(place / std::pow(10000, 0.4))));
    CHECK(p.at(t * 5 + 4) == Approx(std::sin(place / std::pow(10000, 0.8))));
  }
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::LearnedPositionalEncoding learned(parameters.scope(), 4, 2);
  const nn::PositionalEncoding fixed, by_batch({.batch_first = true});
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3, 2}, Dtype::float64));  // of zeros
  const Tensor sums = fixed(x, 1).value(), other = by_batch(x).value(),
               places = learned(x, 2).value();
  const Tensor table = nn::sinusoidal_positions(3, 2, 0, Dtype::float64);
  for (std::int64_t t = 0; t < 2; ++t) {
    for (std::int64_t i = 0; i < 3 * 2; ++i) {
      CHECK(sums.at(t * 6 + i) == table.at((t + 1) * 2 + i % 2));
      CHECK(places.at(t * 6 + i) == parameters.at("weight").value().at((t + 2) * 2 + i % 2));
      CHECK(other.at(t * 6 + i) == table.at(i));
    }
  }
  CHECK_THROWS_AS(learned(x, 3), ValueError);
}
