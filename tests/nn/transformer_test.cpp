#include <unroll/nn/transformer.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/decoder.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/location_attention.h>
#include <unroll/nn/positional_encoding.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/optim/optim.h>
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
      Variables outputs;
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

TEST_CASE("Transformer learns eight pairs by heart and writes them step by step", "[nn]") {
  constexpr std::int64_t kPairs = 8, kWords = 9, kHidden = 16;
  constexpr std::int32_t kBegin = 1, kEnd = 2;
  // Row p holds p in digits of base 3, as the words 4 to 6; the answer is the row backwards.
  std::vector<std::int32_t> source, fed, labels;
  for (std::int32_t pair = 0; pair < kPairs; ++pair) {
    const std::int32_t a = 4 + pair % 3, b = 4 + pair / 3, c = 4 + (pair * pair) % 3;
    source.insert(source.end(), {a, b, c});
    fed.insert(fed.end(), {kBegin, c, b, a});
    labels.insert(labels.end(), {c, b, a, kEnd});
  }
  nn::ParameterSet parameters(2);
  const nn::TransformerStackOptions options{
      .layer = {.heads = 2, .feedforward = 32, .batch_first = true}};
  const nn::Embedding words(parameters.scope("words"), kWords, kHidden);
  const nn::PositionalEncoding places({.batch_first = true});
  const nn::TransformerEncoder encoder(parameters.scope("encoder"), 1, kHidden, options);
  const nn::TransformerDecoder decoder(parameters.scope("decoder"), 1, kHidden, options);
  const nn::Linear output(parameters.scope("output"), kHidden, kWords);
  const auto encoded = [&](Tape& tape) {
    return encoder(places(words(tape.input(Tensor(Shape{kPairs, 3}, source)))));
  };
  optim::Adam adam(parameters, {.lr = 0.01});
  Tape tape;
  double loss = 0;
  for (int step = 0; step < 150; ++step) {
    tape.reset();
    const Variable inputs = places(words(tape.input(Tensor(Shape{kPairs, 4}, fed))));
    const Variable value = cross_entropy(output(decoder(inputs, encoded(tape))),
                                         tape.input(Tensor(Shape{kPairs, 4}, labels)));
    adam.step(gradients(value, parameters));
    loss = value.item();
  }
  CHECK(loss < 0.05);

  tape.reset();
  const Variable memory = encoded(tape);
  const auto step = [&](Tape&, const Variable& ids, const nn::TransformerDecoder::State& state,
                        const nn::TransformerDecoder::Memory& prepared) {
    const std::int64_t place = state[0].keys.shape()[2];
    const Variable x = places(reshape(words(ids), {-1, 1, kHidden}), place);
    auto next = decoder.step(reshape(x, {-1, kHidden}), state, prepared);
    return nn::DecoderStep<nn::TransformerDecoder::State>{output(next.output), next.state,
                                                          mean(next.weights, 1)};
  };
  auto steps = nn::decoder(step, decoder.initial_state(memory, kPairs), decoder.prepare(memory));
  const auto found =
      nn::beam_search(steps, {.begin = kBegin, .end = kEnd, .max_length = 8, .beam_size = 3});
  const auto greedy = nn::greedy(steps, {.begin = kBegin, .end = kEnd, .max_length = 8});
  for (std::size_t pair = 0; pair < kPairs; ++pair) {
    const auto first = source.begin() + static_cast<std::ptrdiff_t>(3 * pair);
    std::vector<std::int32_t> expected(first, first + 3);
    std::ranges::reverse(expected);
    CHECK(found[pair][0].tokens == expected);
    CHECK(greedy[pair].tokens == expected);
    CHECK(greedy[pair].attention.shape() == Shape{4, 3});
  }
}

TEST_CASE("A Transformer layer whose heads do not divide its width leaves no parameters", "[nn]") {
  nn::ParameterSet parameters(1);
  CHECK_THROWS_AS(nn::TransformerEncoderLayer(parameters.scope(), 5, {.heads = 2}), ValueError);
  CHECK_THROWS_AS(nn::TransformerDecoderLayer(parameters.scope(), 5, {.heads = 2}), ValueError);
  CHECK_THROWS_AS(nn::TransformerEncoder(parameters.scope(), -1, 4), ValueError);
  CHECK_THROWS_AS(nn::TransformerDecoder(parameters.scope(), -1, 4), ValueError);
  CHECK(parameters.size() == 0);
}

TEST_CASE("Attention, Transformers and encoder-decoders name their caller's line", "[nn]") {
  nn::ParameterSet parameters(1);
  const nn::Scope scope = parameters.scope();
  const nn::AdditiveAttention additive(scope / "additive", 3, 4, 5);
  const nn::GeneralAttention general(scope / "general", 3, 4);
  const nn::LocationAttention location(scope / "location", 3, 4, 5);
  const nn::MultiheadAttention multihead(scope / "multihead", 4, 2);
  const nn::TransformerEncoder encoder(scope / "encoder", 1, 4, {.layer = {.heads = 2}});
  const nn::TransformerDecoder decoder(scope / "decoder", 1, 4, {.layer = {.heads = 2}});
  const nn::EncoderDecoder<> translator(
      scope / "translator",
      {.source_vocabulary = 5, .target_vocabulary = 5, .embedding = 3, .hidden = 3});
  Tape tape;
  const auto zeros = [&](const Shape& shape) { return tape.input(Tensor::full(shape, 0)); };
  const Variable values = zeros({2, 6, 4}), right = zeros({2, 3}), wrong = zeros({2, 7});
  const Variable sequence = zeros({6, 2, 4}), wide = zeros({6, 2, 5});
  const auto memory = additive.prepare(values), general_memory = general.prepare(values);
  const auto names = [](std::string_view function, const std::function<void()>& call) {
    const std::string message = thrown_message(call);
    INFO(message);
    CHECK(contains(message, "transformer_test.cpp:"));
    CHECK(contains(message, std::string(function) + ": "));
    CHECK_FALSE(contains(message, "nn/transformer.cpp"));
  };
  names("AdditiveAttention", [&] { additive(wrong, memory); });
  names("AdditiveAttention", [&] { additive.prepare(wide); });
  names("GeneralAttention", [&] { general(wrong, general_memory); });
  names("DotAttention", [&] { nn::DotAttention()(wrong, {values, values, {}}); });
  names("AdditiveAttention", [&] { location(right, memory, zeros({2, 3})); });
  names("MultiheadAttention", [&] { multihead(sequence, wide, wide); });
  names("MultiheadAttention", [&] { encoder(wide); });
  names("MultiheadAttention", [&] { decoder(wide, sequence); });
  names("MultiheadAttention", [&] { decoder(sequence, wide); });
  names("EncoderDecoder", [&] {
    translator.loss(tape, Tensor({1, 2}, {3, 4}), Tensor({1, 1}, {2}));
  });
}

TEST_CASE("A Transformer decoder's masks hide what its lengths would", "[nn]") {
  nn::ParameterSet parameters(3);
  const nn::TransformerDecoder decoder(parameters.scope(), 2, 4, {.layer = {.heads = 2}});
  Tape tape;
  const Variable x = tape.input(random_normal({3, 2, 4}, 5).to(Dtype::float32)),
                 memory = tape.input(random_normal({5, 2, 4}, 6).to(Dtype::float32));
  const Variable by_lengths = decoder(x, memory, {.memory_lengths = {5, 3}, .causal = false});
  const auto seen = [&](const Shape& shape, const std::vector<bool>& flags) {
    Tensor mask(shape, Dtype::bool_);
    std::ranges::copy(flags, mask.mutable_data<bool>().begin());
    return tape.input(mask);
  };
  const std::vector<bool> of_memory{true, true, true, true, true, true, true, true, false, false};
  const Variable by_mask =
      decoder(x, memory, {.causal = false, .memory_mask = seen({2, 1, 1, 5}, of_memory)});
  CHECK(by_mask.value().identical(by_lengths.value()));

  const std::vector<bool> lower{true, false, false, true, true, false, true, true, true};
  const Variable triangle = decoder(x, memory, {.causal = false, .mask = seen({3, 3}, lower)});
  CHECK(triangle.value().identical(decoder(x, memory).value()));
}
