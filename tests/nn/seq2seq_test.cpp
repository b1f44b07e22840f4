#include <unroll/nn/seq2seq.h>

#include <cmath>

#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/location_attention.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

/// Pads with 0; every target is begin (2), tokens, end (3).
const Tensor kSource(Shape{3, 4}, {4, 5, 6, 7, 5, 4, 0, 0, 7, 0, 0, 0});
const Tensor kTarget(Shape{3, 5}, {2, 4, 5, 6, 3, 2, 6, 3, 0, 0, 2, 5, 5, 3, 0});

nn::EncoderDecoderOptions tiny(bool tied = false, int layers = 1) {
  return {.source_vocabulary = 8,
          .target_vocabulary = 7,
          .embedding = 3,
          .hidden = 3,
          .encoder_layers = layers,
          .decoder_layers = layers,
          .tie_output = tied};
}

nn::EncoderDecoderOptions conditional(int layers = 1) {
  nn::EncoderDecoderOptions options = tiny(false, layers);
  options.conditional = true;
  return options;
}

nn::EncoderDecoderOptions linear_output() {
  nn::EncoderDecoderOptions options = tiny();
  options.deep_output = false;
  return options;
}

template <class Model>
void check_gradients_of(const nn::EncoderDecoderOptions& options) {
  nn::ParameterSet parameters(1, Dtype::float64);
  const Model model(parameters.scope(), options);
  const auto report =
      gradcheck(parameters,
                [&](Tape& tape) {
                  return model.loss(tape, kSource, kTarget,
                                    {.label_smoothing = 0.1, .reduction = Reduction::sum});
                },
                {.exhaustive_limit = 0, .directions = 24});
  INFO(report.message);
  CHECK(report.ok);
}

/// Step by step with the target's own tokens gives the loss that teacher forcing gives.
template <class Model>
void check_steps_of(const nn::EncoderDecoderOptions& options) {
  nn::ParameterSet parameters(1, Dtype::float64);
  const Model model(parameters.scope(), options);
  Tape tape;
  const auto encoded = model.encode(tape, kSource);
  auto state = encoded.state;
  double total = 0;
  for (std::int64_t t = 0; t + 1 < 5; ++t) {
    const Tensor fed = nn::columns(kTarget, t, t + 1).reshaped(Shape{3});
    const auto step = model.decode_step(encoded.memory, state, tape.input(fed));
    CHECK(step.logits.shape() == Shape{3, 7});
    CHECK(step.attention.shape() == Shape{3, 4});
    const Tensor log_probabilities = log_softmax(step.logits).value();
    for (std::int64_t b = 0; b < 3; ++b) {
      const auto label = static_cast<std::int64_t>(kTarget.at(b * 5 + t + 1));
      if (label != 0) total -= log_probabilities.at(b * 7 + label);
    }
    state = step.state;
  }
  CHECK(model.loss(tape, kSource, kTarget, {.reduction = Reduction::sum}).item() ==
        Approx(total).epsilon(1e-12));
}

/// Row `b` of ids [B, T] up to `length`.
Tensor row(const Tensor& ids, std::int64_t b, std::int64_t length) {
  const std::vector<std::int32_t> which{static_cast<std::int32_t>(b)};
  return nn::columns(nn::gather_rows(ids, which), 0, length);
}

}  // namespace

TEST_CASE("EncoderDecoder: gradients, over several cells and attentions", "[nn]") {
  check_gradients_of<nn::EncoderDecoder<>>(tiny());
  check_gradients_of<nn::EncoderDecoder<nn::LSTMCell>>(tiny(true, 2));
  check_gradients_of<nn::EncoderDecoder<nn::GRUCell, nn::GeneralAttention>>(tiny());
  check_gradients_of<nn::EncoderDecoder<testing::MinimalGatedCell>>(tiny());
  check_gradients_of<nn::EncoderDecoder<nn::GRUCell, nn::LocationAttention>>(tiny());
  check_gradients_of<nn::EncoderDecoder<>>(conditional(2));
  check_gradients_of<nn::EncoderDecoder<>>(linear_output());
}

TEST_CASE("EncoderDecoder: the loss of a batch is the sum over its pairs", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::EncoderDecoder<nn::LSTMCell> model(parameters.scope(), tiny(false, 2));
  Tape tape;
  const nn::TargetLossOptions options{.reduction = Reduction::sum};
  double one_by_one = 0;
  const std::int64_t source_length[] = {4, 2, 1}, target_length[] = {5, 3, 4};
  for (std::int64_t b = 0; b < 3; ++b) {
    one_by_one += model
                      .loss(tape, row(kSource, b, source_length[b]),
                            row(kTarget, b, target_length[b]), options)
                      .item();
  }
  CHECK(model.loss(tape, kSource, kTarget, options).item() == Approx(one_by_one).epsilon(1e-12));
  const double mean = model.loss(tape, kSource, kTarget).item();
  CHECK(mean == Approx(one_by_one / 9).epsilon(1e-12));
}

TEST_CASE("EncoderDecoder: a target token is not seen before it is predicted", "[nn]") {
  check_steps_of<nn::EncoderDecoder<>>(tiny());
  check_steps_of<nn::EncoderDecoder<nn::LSTMCell>>(conditional(2));
  check_steps_of<nn::EncoderDecoder<nn::GRUCell, nn::LocationAttention>>(tiny(true, 2));
}

TEST_CASE("EncoderDecoder: a conditional step is that of the formula", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64), same(2, Dtype::float64);
  const nn::EncoderDecoder<> model(parameters.scope(), conditional());
  const nn::Embedding target(same.scope("target"), 7, 3, {.padding_idx = 0});
  const nn::GRUCell cell(same.scope("decoder.0"), 3, 3),
      transition(same.scope("decoder.transition"), 6, 3);
  const nn::AdditiveAttention attention(same.scope("attention"), 3, 6, 3);
  const nn::Linear readout(same.scope("readout"), 12, 3), output(same.scope("output"), 3, 7);
  for (const auto& p : same) p.assign(parameters.at(p.name()).value());

  Tape tape;
  const auto encoded = model.encode(tape, kSource);
  const Variable ids = tape.input(Tensor(Shape{3}, {4, 2, 6}));
  const auto step = model.decode_step(encoded.memory, encoded.state, ids);
  const Variable y = target(ids), between = cell.step(y, encoded.state.cells[0]);
  const auto [context, weights] = attention(between, encoded.memory);
  const Variable state = transition.step(context, between);
  const Tensor expected = output(tanh(readout(concat({state, context, y}, -1)))).value();
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    CHECK(step.logits.value().at(i) == Approx(expected.at(i)).epsilon(1e-12));
  }
  CHECK(step.attention.value().identical(weights.value()));
}

TEST_CASE("EncoderDecoder: without the deep output, logits are linear in all there is", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64), same(2, Dtype::float64);
  const nn::EncoderDecoder<> model(parameters.scope(), linear_output());
  CHECK_THROWS_AS(parameters.at("readout.weight"), ValueError);
  const nn::Embedding target(same.scope("target"), 7, 3, {.padding_idx = 0});
  const nn::Linear output(same.scope("output"), 12, 7);
  for (const auto& p : same) p.assign(parameters.at(p.name()).value());

  Tape tape;
  const auto encoded = model.encode(tape, kSource);
  const Variable ids = tape.input(Tensor(Shape{3}, {4, 2, 6}));
  const auto step = model.decode_step(encoded.memory, encoded.state, ids);
  const Variable context =
      reshape(matmul(reshape(step.attention, {3, 1, 4}), encoded.memory.values), {3, 6});
  const Tensor expected = output(concat({step.state.cells[0], context, target(ids)}, -1)).value();
  REQUIRE(step.logits.shape() == expected.shape());
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    CHECK(step.logits.value().at(i) == Approx(expected.at(i)).epsilon(1e-12));
  }
}

TEST_CASE("EncoderDecoder: padded source ids have no influence", "[nn]") {
  nn::ParameterSet parameters(1);
  const nn::EncoderDecoder<> model(parameters.scope(), tiny());
  Tensor other = kSource;
  for (const std::size_t i : {6U, 7U, 9U, 10U, 11U}) other.mutable_data<std::int32_t>()[i] = 6;
  Tape tape;
  const nn::TargetLossOptions lengths{.source_lengths = {4, 2, 1}};
  const Variable a = model.loss(tape, kSource, kTarget);
  const Variable b = model.loss(tape, other, kTarget, lengths);
  CHECK(a.item() == b.item());
  const Gradients ga = gradients(a, parameters), gb = gradients(b, parameters);
  for (const auto& p : parameters) CHECK(ga[p].identical(gb[p]));
}

TEST_CASE("EncoderDecoder leaves no parameters behind if its options do not fit", "[nn]") {
  nn::ParameterSet parameters(1);
  const nn::EncoderDecoderOptions fits{.source_vocabulary = 8, .target_vocabulary = 7};
  std::vector<nn::EncoderDecoderOptions> wrong(5, fits);
  wrong[0].encoder_layers = 0;
  wrong[1].decoder_layers = -1;
  wrong[2].pad = 7;
  wrong[3].pad = -1;
  wrong[4].tie_output = true;
  wrong[4].deep_output = false;
  for (const nn::EncoderDecoderOptions& options : wrong) {
    CHECK_THROWS_AS(nn::EncoderDecoder(parameters.scope(), options), ValueError);
  }
  CHECK(parameters.size() == 0);
}

TEST_CASE("EncoderDecoder names a target that does not fit", "[nn]") {
  nn::ParameterSet parameters(1);
  const nn::EncoderDecoder model(
      parameters.scope(),
      {.source_vocabulary = 8, .target_vocabulary = 7, .embedding = 3, .hidden = 4});
  Tape tape;
  const Tensor source(Shape{2, 3}, {4, 5, 6, 7, 0, 0});
  for (const Shape& shape : {Shape{2, 1}, Shape{3, 4}, Shape{6}}) {
    const Tensor target = Tensor::full(shape, 4, Dtype::int32);
    CHECK_THROWS_AS(model.loss(tape, source, target), ShapeError);
    const std::string message = thrown_message([&] { model.loss(tape, source, target); });
    CHECK(message.starts_with("tests/nn/seq2seq_test.cpp:"));
    CHECK(message.ends_with(": EncoderDecoder: got target " + to_string(shape) +
                            " for source [2, 3]; expected [batch, 2 steps or more]"));
  }
}

TEST_CASE("EncoderDecoder: a new model knows nothing, with a tied output layer, too", "[nn]") {
  for (const bool tied : {false, true}) {
    nn::ParameterSet parameters(1);
    auto options = tiny(tied);
    options.target_vocabulary = 300;
    options.embedding = options.hidden = 64;
    const nn::EncoderDecoder<> model(parameters.scope(), options);
    CHECK(parameters.contains("output.weight") != tied);
    Tape tape;
    CHECK(model.loss(tape, kSource, kTarget).item() == Approx(std::log(300)).epsilon(0.1));
  }
}

TEST_CASE("EncoderDecoder: dropout is active while training only", "[nn]") {
  nn::ParameterSet parameters(1);
  auto options = tiny();
  options.dropout = 0.5;
  const nn::EncoderDecoder<> model(parameters.scope(), options);
  const auto loss = [&](bool training, std::uint64_t seed) {
    Tape tape({.training = training, .seed = seed});
    return model.loss(tape, kSource, kTarget).item();
  };
  CHECK(loss(true, 1) != loss(true, 2));
  CHECK(loss(true, 1) == loss(true, 1));
  CHECK(loss(false, 1) == loss(false, 2));
}

TEST_CASE("EncoderDecoder learns eight pairs by heart, and beam 1 is greedy", "[nn]") {
  // Reversed sequences; the output of each pair is unlike that of any other.
  std::vector<std::int32_t> source, target;
  Random random(5);
  std::vector<std::vector<std::int32_t>> expected;
  for (int pair = 0; pair < 8; ++pair) {
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 2 + pair % 3; ++i) {
      tokens.push_back(4 + static_cast<std::int32_t>(random.below(6)));
    }
    std::vector<std::int32_t> reversed(tokens.rbegin(), tokens.rend());
    expected.push_back(reversed);
    tokens.resize(4, 0);
    source.insert(source.end(), tokens.begin(), tokens.end());
    reversed.insert(reversed.begin(), 2);
    reversed.push_back(3);
    reversed.resize(6, 0);
    target.insert(target.end(), reversed.begin(), reversed.end());
  }
  const Tensor x(Shape{8, 4}, source), y(Shape{8, 6}, target);
  nn::ParameterSet parameters(3);
  const nn::EncoderDecoder<> model(
      parameters.scope(),
      {.source_vocabulary = 10, .target_vocabulary = 10, .embedding = 16, .hidden = 24});
  double loss = 0;
  Tape tape;
  for (int epoch = 0; epoch < 400; ++epoch) {
    tape.reset();
    const Variable value = model.loss(tape, x, y);
    const Gradients g = gradients(value, parameters);
    loss = value.item();
    for (const auto& p : parameters) {
      const Tensor dp = g[p];
      const auto w = p.update<float>();
      for (std::size_t i = 0; i < w.size(); ++i) w[i] -= 0.5F * dp.data<float>()[i];
    }
  }
  CHECK(loss < 0.05);

  const auto greedy = nn::greedy(model, x, {.max_length = 10});
  const auto beam = nn::beam_search(model, x, {.max_length = 10, .beam_size = 4, .n_best = 2});
  const auto drawn = nn::sample(model, x, {.max_length = 10, .temperature = 0.01});
  const auto narrow = nn::beam_search(model, x, {.max_length = 10, .beam_size = 1});
  REQUIRE(greedy.size() == 8);
  for (std::size_t pair = 0; pair < 8; ++pair) {
    CHECK(greedy[pair].tokens == expected[pair]);
    CHECK(greedy[pair].ended);
    CHECK(beam[pair].at(0).tokens == expected[pair]);
    CHECK(beam[pair].size() == 2);
    CHECK(drawn[pair].at(0).tokens == expected[pair]);
    CHECK(narrow[pair].at(0).tokens == greedy[pair].tokens);
    CHECK(narrow[pair].at(0).score == greedy[pair].score);
    const auto length = static_cast<std::int64_t>(expected[pair].size());
    REQUIRE(greedy[pair].attention.shape() == Shape{length + 1, 4});
    double weight = 0;
    for (std::int64_t s = 0; s < 4; ++s) weight += greedy[pair].attention.at(s);
    CHECK(weight == Approx(1));
  }
  const std::vector<std::int32_t> third{2};
  const auto alone = nn::beam_search(model, nn::gather_rows(x, third), {.beam_size = 4});
  CHECK(alone[0][0].tokens == expected[2]);
}
