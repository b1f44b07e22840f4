// The law of passes over attention, losses and whole models.
#include <unroll/nn/nn.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/nn/cells.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr std::int64_t kBatch = 3, kSteps = 4, kWidth = 4;

/// A few queries, each made from what the one before it got.
template <class Attention>
void check_attention(const Attention& attention, ParameterSet& parameters,
                     const std::vector<TapeOptions>& list) {
  const nn::Scope scope = parameters.scope("sources");
  const Parameter query = scope.parameter("query", {kBatch, kWidth}, nn::init::normal());
  const Parameter memory = scope.parameter("memory", {kBatch, kSteps, kWidth}, nn::init::normal());
  for (const bool masked : {false, true}) {
    const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
      const Variable mask =
          masked ? tape.input(nn::length_mask(nn::Lengths{4, 0, 2}, kSteps)) : Variable();
      const auto prepared =
          attention.prepare(memory * data_input(tape, set, memory.shape(), data), mask);
      Recorded result;
      Variable q = tape.use(query);
      for (int step = 0; step < 3; ++step) {
        const auto [context, weights] = attention(q, prepared);
        q = tanh(concat({slice(q, 1, 0, 1), slice(context, 1, 1, kWidth)}, 1) + context);
        result.values.insert(result.values.end(), {context, weights});
      }
      result.loss =
          weighed(tape, set, stack(Variables{result.values[0], result.values[2], q}), data);
      return result;
    };
    check_law(model, parameters, list);
  }
}

template <class Model>
void check_encoder_decoder(nn::EncoderDecoderOptions options, const std::vector<TapeOptions>& list,
                           const nn::TargetLossOptions& loss = {.label_smoothing = 0.1}) {
  options.source_vocabulary = 9;
  options.target_vocabulary = 8;
  options.embedding = options.hidden = 4;
  ParameterSet parameters(6);
  const Model model(parameters.scope(), options);
  const Recording training = [&](Tape& tape, const ParameterSet&, std::uint64_t data) {
    // Ids differ, padding does not: lengths are structure.
    const auto id = [&](int i) { return static_cast<std::int32_t>(4 + (i + data) % 4); };
    const Tensor source(Shape{3, 4}, {id(0), id(1), id(2), id(3), id(1), id(0), 0, 0,  //
                                      id(3), id(3), id(0), 0});
    const Tensor target(Shape{3, 4}, {2, id(0), id(2), 3, 2, 3, 0, 0, 2, id(1), 3, 0});
    return Recorded{model.loss(tape, source, target, loss)};
  };
  check_law(training, parameters, list);
}

}  // namespace

TEST_CASE("passes agree on attention", "[passes][nn]") {
  {
    ParameterSet parameters(1);
    const nn::AdditiveAttention attention(parameters.scope("attention"), kWidth, kWidth, 3);
    check_attention(attention, parameters, all_options());
  }
  {
    ParameterSet parameters(1);
    const nn::GeneralAttention attention(parameters.scope("attention"), kWidth, kWidth);
    check_attention(attention, parameters, some_options());
  }
  for (const bool scaled : {false, true}) {
    ParameterSet parameters(1);
    check_attention(nn::DotAttention(scaled), parameters, some_options());
  }
}

TEST_CASE("passes agree on the training loss of encoder-decoders", "[passes][nn]") {
  check_encoder_decoder<nn::EncoderDecoder<>>({}, some_options());
  check_encoder_decoder<nn::EncoderDecoder<>>(
      {.encoder_layers = 2, .decoder_layers = 2, .dropout = 0.3, .tie_output = true},
      some_options());
  check_encoder_decoder<nn::EncoderDecoder<nn::LSTMCell, nn::GeneralAttention>>(
      {.decoder_layers = 2, .tie_output = true}, some_options());
  check_encoder_decoder<nn::EncoderDecoder<MinimalGatedCell>>({.dropout = 0.2}, some_options());
  check_encoder_decoder<nn::EncoderDecoder<nn::GRUCell, nn::LocationAttention>>(
      {.decoder_layers = 2, .conditional = true}, some_options());
  check_encoder_decoder<nn::EncoderDecoder<>>(
      {}, some_options(), {.label_smoothing = 0.1, .sampling = {.probability = 0.5}});
  check_encoder_decoder<nn::EncoderDecoder<>>({.tie_output = true}, some_options(),
                                              {.sampling = {.probability = 0.5, .draw = true}});
}

TEST_CASE("passes agree on a language model with tied weights", "[passes][nn]") {
  constexpr std::int64_t kWords = 11;
  ParameterSet parameters(8);
  const nn::Scope scope = parameters.scope();
  const nn::Embedding words(scope / "words", kWords, kWidth, {.padding_idx = 0});
  const nn::GRU layer(scope / "layer", kWidth, kWidth, {.layers = 2, .dropout = 0.2});
  const Parameter bias = scope.parameter("bias", {kWords}, nn::init::zeros());
  for (const bool tied : {false, true}) {
    const nn::Linear output(scope / (tied ? "unused" : "output"), kWidth, kWords);
    const Recording model = [&](Tape& tape, const ParameterSet&, std::uint64_t data) {
      const Variable ids = tape.input(data_ids({kSteps, kBatch}, data, kWords));
      const Variable next = tape.input(data_ids({kSteps, kBatch}, data + 1, kWords));
      const Variable h = layer(words(ids)).outputs;
      const Variable logits = tied ? nn::linear(h, words.weight, bias) : output(h) + bias;
      return Recorded{cross_entropy(logits, next, {.ignore_index = 0}),
                      {log_softmax(logits), argmax(logits, -1)}};
    };
    check_law(model, parameters, some_options());
  }
}

TEST_CASE("passes agree on normalisations, losses and reductions side by side", "[passes][nn]") {
  ParameterSet parameters(9);
  const nn::Scope scope = parameters.scope();
  const Parameter x = scope.parameter("x", {6, 5}, nn::init::normal());
  const Parameter gain = scope.parameter("gain", {5}, nn::init::normal(1, 0.1));
  const Parameter bias = scope.parameter("bias", {5}, nn::init::normal(0, 0.1));
  const Parameter weight = scope.parameter("weight", {5, 5}, nn::init::normal());
  const Recording model = [&](Tape& tape, const ParameterSet& set, std::uint64_t data) {
    const Variable labels = tape.input(data_ids({6}, data, 5));
    const Variable target = data_input(tape, set, {6, 5}, data);
    const Variable scaled = x * target;
    Variables rows;
    for (std::int64_t i = 0; i < 6; ++i) {
      const Variable row = layer_norm(slice(scaled, 0, i, i + 1), gain, bias);
      rows.push_back(linear(row, weight, bias));
    }
    const Variable y = concat(rows, 0), chosen = gather(y, 1, reshape(labels, {6, 1}));
    Recorded result{cross_entropy(y, labels, {.label_smoothing = 0.1}),
                    {y, logsumexp(y, 1), var(y, 0), norm(y, 1), max(y, 1), cumsum(y, 0)}};
    const Variables parts{mse_loss(y, target),
                          l1_loss(tanh(y), target),
                          huber_loss(y, target, 0.5),
                          binary_cross_entropy(y, target > 0.0),
                          kl_divergence(log_softmax(y), softmax(target)),
                          sum(chosen * chosen)};
    for (const Variable& part : parts) result.loss = result.loss + part;
    for (std::size_t i = 1; i < result.values.size(); ++i) {
      result.loss = result.loss + weighed(tape, set, result.values[i], data, i) * 0.1;
    }
    return result;
  };
  check_law(model, parameters, all_options());
}
