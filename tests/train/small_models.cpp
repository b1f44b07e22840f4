// The models: tokens below 11 in, labels below 5 out.
#include <unroll/tests/train/small_models.h>

#include <algorithm>
#include <string_view>

#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/adam.h>
#include <unroll/tests/nn/cells.h>

namespace unroll::testing {

namespace {

constexpr std::int64_t kTokens = 11, kLabels = 5, kWidth = 6;

/// Sequences of 1 to 7 tokens, side by side.
struct Batch {
  Tensor ids;      ///< int32 [T, B], 0 beyond the end
  Tensor labels;   ///< int32 [T, B], -100 beyond the end
  Tensor classes;  ///< int32 [B]
  nn::Lengths lengths;

  explicit Batch(train::Examples examples) {
    std::vector<std::int32_t> steps;
    for (const std::size_t i : examples) steps.push_back(1 + static_cast<std::int32_t>(i * 5 % 7));
    const std::int64_t columns = std::ssize(steps);
    const Shape shape{std::ranges::max(steps), columns};
    ids = Tensor::full(shape, 0, Dtype::int32);
    labels = Tensor::full(shape, -100, Dtype::int32);
    classes = Tensor(Shape{columns}, Dtype::int32);
    for (std::size_t b = 0; b < steps.size(); ++b) {
      Random random(examples[b]);
      for (std::int32_t t = 0; t < steps[b]; ++t) {
        const std::size_t at = static_cast<std::size_t>(t) * steps.size() + b;
        const auto token = static_cast<std::int32_t>(1 + random.below(kTokens - 1));
        ids.mutable_data<std::int32_t>()[at] = token;
        labels.mutable_data<std::int32_t>()[at] = (token + t) % static_cast<int>(kLabels);
      }
      classes.mutable_data<std::int32_t>()[b] = static_cast<std::int32_t>(examples[b] % kLabels);
    }
    lengths = nn::Lengths(steps);
  }
};

/// The loss of a batch whose embedded tokens are x [T, B, kWidth].
using Body = std::function<Variable(Tape& tape, const Variable& x, const Batch& batch)>;

SmallModel with_embedding(std::string name, std::function<Body(const Scope& scope)> make) {
  return {std::move(name), [make = std::move(make)](const Scope& scope) -> SmallLoss {
            const nn::Embedding embedding(scope / "embedding", kTokens, kWidth);
            return [embedding, body = make(scope)](Tape& tape, train::Examples examples) {
              const Batch batch(examples);
              return body(tape, embedding(tape.input(batch.ids)), batch);
            };
          }};
}

/// A label for every token, from what `reads` makes of them.
template <class Reads>
Body tagging(const Scope& scope, const Reads& reads) {
  return [reads, scores = nn::Linear(scope / "scores", kWidth, kLabels)](
             Tape& tape, const Variable& x, const Batch& batch) {
    return cross_entropy(scores(reads(tape, x, batch)), tape.input(batch.labels),
                         {.reduction = Reduction::sum});
  };
}

template <class Layers>
Body tagging_by(const Scope& scope, const Layers& layers) {
  return tagging(scope, [layers](Tape&, const Variable& x, const Batch& batch) {
    return layers(x, {.lengths = batch.lengths}).outputs;
  });
}

template <class Cell>
nn::StackedRNN<Cell> two_layers(const Scope& scope, const nn::StackOptions& options) {
  return nn::StackedRNN<Cell>(
      {Cell(scope / "0", kWidth, kWidth), Cell(scope / "1", kWidth, kWidth)}, options);
}

Body classifying(const Scope& scope) {
  const nn::GRU gru(scope / "gru", kWidth, kWidth,
                    {.layers = 2, .bidirectional = true, .dropout = 0.2});
  const nn::Linear scores(scope / "scores", 4 * kWidth, kLabels);
  return [=](Tape& tape, const Variable& x, const Batch& batch) {
    const Variable outputs = gru(x, {.lengths = batch.lengths}).outputs;
    const nn::PoolOptions real{.lengths = batch.lengths};
    const Variable pooled = concat({nn::pool_max(outputs, real), nn::pool_mean(outputs, real)}, -1);
    return cross_entropy(scores(dropout(pooled, 0.3)), tape.input(batch.classes),
                         {.reduction = Reduction::sum});
  };
}

Body transforming(const Scope& scope) {
  const nn::TransformerStackOptions options{
      .layer = {.heads = 2, .feedforward = 12, .dropout = 0.1}};
  const nn::TransformerEncoder encoder(scope / "encoder", 1, kWidth, options);
  const nn::TransformerDecoder decoder(scope / "decoder", 1, kWidth, options);
  return tagging(scope, [=](Tape&, const Variable& x, const Batch& batch) {
    return decoder(x, encoder(x, {.lengths = batch.lengths}),
                   {.lengths = batch.lengths, .memory_lengths = batch.lengths});
  });
}

/// Tokens to the same tokens.
template <class Model>
Body translating(const Scope& scope, bool conditional, const nn::TargetLossOptions& options) {
  const Model model(scope, {.source_vocabulary = kTokens,
                            .target_vocabulary = kTokens,
                            .embedding = kWidth,
                            .hidden = kWidth,
                            .dropout = 0.1,
                            .conditional = conditional});
  return [=](Tape& tape, const Variable&, const Batch& batch) {
    Tape scratch;
    const Variable rows = transpose(scratch.input(batch.ids), 0, 1);
    const Variable begin = scratch.input(Tensor::full({rows.shape()[0], 1}, 2, Dtype::int32));
    nn::TargetLossOptions call = options;
    call.source_lengths = batch.lengths;
    call.reduction = Reduction::sum;
    return model.loss(tape, rows.value(), concat({begin, rows}, 1).value(), call);
  };
}

Body aligning(const Scope& scope) {
  const nn::LSTM lstm(scope / "lstm", kWidth, kWidth);
  const nn::Linear scores(scope / "scores", kWidth, kLabels);
  return [=](Tape&, const Variable& x, const Batch& batch) {
    const Variable outputs = lstm(x, {.lengths = batch.lengths}).outputs;
    Tensor labels = batch.classes;  // of which 0 is the blank
    for (std::int32_t& label : labels.mutable_data<std::int32_t>()) label = std::max(label, 1);
    const std::int64_t columns = labels.size();
    return nn::ctc_loss(log_softmax(scores(outputs)), labels.reshaped({columns, 1}),
                        {.input_lengths = batch.lengths, .reduction = Reduction::sum});
  };
}

Body labelling(const Scope& scope) {
  const nn::GRU gru(scope / "gru", kWidth, kWidth);
  const nn::Linear scores(scope / "scores", kWidth, kLabels);
  const nn::Crf crf(scope / "crf", kLabels);
  return [=](Tape&, const Variable& x, const Batch& batch) {
    const Variable outputs = gru(x, {.lengths = batch.lengths}).outputs;
    return crf.loss(scores(outputs), batch.labels,
                    {.lengths = batch.lengths, .reduction = Reduction::sum});
  };
}

}  // namespace

const std::vector<SmallModel>& small_models() {
  static const std::vector<SmallModel> models{
      with_embedding(
          "RNN", [](const Scope& s) { return tagging_by(s, nn::RNN(s / "rnn", kWidth, kWidth)); }),
      with_embedding("bidirectional GRU, pooled", classifying),
      with_embedding("LSTM with residual connections and locked dropout",
                     [](const Scope& s) {
                       return tagging_by(s, nn::LSTM(s / "lstm", kWidth, kWidth,
                                                     {.layers = 3,
                                                      .dropout = 0.2,
                                                      .input_dropout = 0.1,
                                                      .locked_dropout = true,
                                                      .residual = true}));
                     }),
      with_embedding("layer-norm LSTM with zoneout",
                     [](const Scope& s) {
                       return tagging_by(s, two_layers<nn::LayerNormLSTMCell>(s / "lstm", {})
                                                .wrapped([](const nn::LayerNormLSTMCell& cell) {
                                                  return nn::Zoneout(cell, {0.1, 0.3});
                                                }));
                     }),
      with_embedding("peephole LSTM with recurrent dropout",
                     [](const Scope& s) {
                       return tagging_by(
                           s, two_layers<nn::PeepholeLSTMCell>(s / "lstm", {.dropout = 0.1})
                                  .wrapped([](const nn::PeepholeLSTMCell& cell) {
                                    return nn::RecurrentDropout(cell, 0.2);
                                  }));
                     }),
      with_embedding("a user's cell from a learned state",
                     [](const Scope& s) {
                       const nn::LearnedState cell(s, MinimalGatedCell(s / "cell", kWidth, kWidth));
                       return tagging(s, [cell](Tape&, const Variable& x, const Batch& batch) {
                         return nn::unroll(cell, x, {.lengths = batch.lengths}).outputs;
                       });
                     }),
      with_embedding("Transformer", transforming),
      with_embedding("encoder-decoder",
                     [](const Scope& s) {
                       return translating<nn::EncoderDecoder<>>(s, false, {.label_smoothing = 0.1});
                     }),
      with_embedding("conditional encoder-decoder, scheduled sampling",
                     [](const Scope& s) {
                       return translating<nn::EncoderDecoder<nn::LSTMCell, nn::GeneralAttention>>(
                           s, true, {.sampling = {.probability = 0.3, .draw = true}});
                     }),
      with_embedding("encoder-decoder, location attention",
                     [](const Scope& s) {
                       return translating<nn::EncoderDecoder<nn::GRUCell, nn::LocationAttention>>(
                           s, false, {});
                     }),
      with_embedding("CTC", aligning),
      with_embedding("CRF", labelling)};
  return models;
}

std::uint64_t bits_after_training(const SmallModel& model, train::FitOptions options) {
  constexpr std::size_t kExamples = 80, kBatch = 16;  // five steps an epoch
  ParameterSet parameters(1);
  const train::Task task{
      .batches = [](int epoch) { return train::shuffled_batches(kExamples, kBatch, 1, epoch); },
      .loss = model.make(parameters.scope())};
  optim::AdamW adam(parameters, {.lr = 0.01});
  options.epochs = 10;
  options.clip_norm = 1;
  options.quiet = true;
  train::fit(parameters, adam, task, options);
  std::uint64_t hash = 0;
  for (const Parameter& p : parameters) {
    const Tensor value = p.value();
    const auto numbers = value.data<float>();
    hash =
        mix(hash, hash_of({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}));
  }
  return hash;
}

}  // namespace unroll::testing
