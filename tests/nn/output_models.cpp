// The last part of the table of sequence models: pooling, losses, decoding, and whole models; and
// the table itself.
#include <unroll/nn/nn.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/nn/sequence_models.h>

namespace unroll::testing {

Variable SequenceCall::rows(std::int64_t width, std::uint64_t purpose) const {
  Tensor result(Shape{in().batch(), width}, Dtype::float64);
  const auto out = result.mutable_data<double>();
  for (std::int64_t i = 0; i < std::ssize(out); ++i) {
    out[static_cast<std::size_t>(i)] = in().number(i / width, purpose, i % width);
  }
  return tape.input(result.to(x.dtype()));
}

Variable SequenceCall::mask() const {
  return tape.input(nn::length_mask(in().lengths, in().steps));
}

namespace detail {

namespace {

constexpr std::int64_t kLongest = 5;  // of what is decoded

/// What was found for each sentence, as numbers [B, ...].
template <class Hypotheses>
SequenceResult as_rows(Tape& tape, const Hypotheses& found) {
  constexpr std::int64_t kNumbers = kLongest + 2;
  Tensor result(Shape{std::ssize(found), kNumbers}, Dtype::float64);
  auto out = result.mutable_data<double>().begin();
  for (const auto& [tokens, score] : found) {
    auto row = out;
    *row++ = score;
    for (const std::int32_t token : tokens) *row++ = token;
    std::fill(row, out + kNumbers, -1.0);
    out += kNumbers;
  }
  return {tape.input(result), nullptr, true};
}
struct Decoded {
  std::vector<std::int32_t> tokens;
  double score;
};
std::vector<Decoded> best_of(const std::vector<nn::Hypothesis>& found) {
  std::vector<Decoded> result;
  for (const auto& h : found) result.push_back({h.tokens, h.log_probability});
  return result;
}
std::vector<Decoded> best_of(const std::vector<std::vector<nn::Hypothesis>>& found) {
  std::vector<Decoded> result;
  for (const auto& list : found) result.push_back({list.at(0).tokens, list[0].score});
  return result;
}

/// A model without parameters.
SequenceModel plain(const std::string& name, const SequenceFunction& f) {
  return {name, [f](const nn::Scope&) { return f; }};
}

// **** losses ****

SequenceModel crf(const std::string& name, const nn::CrfOptions& options) {
  return {name, [=](const nn::Scope& s) -> SequenceFunction {
            return [crf = nn::Crf(s, kWidth, options)](const SequenceCall& call) {
              const nn::Lengths lengths = call.in().lengths;
              const Tensor tags = call.in().ids(kWidth, 0, -7);
              return SequenceResults{{crf.loss(call.x, tags, {lengths, Reduction::none})},
                                     {crf.log_partition(call.x, lengths)},
                                     {crf.score(call.x, tags, lengths)},
                                     {crf.marginals(call.x, lengths), &call.in()}};
            };
          }};
}

SequenceResults ctc(const SequenceCall& call) {
  Tensor labels = nn::time_first(call.out().ids(kWidth - 1, -1, 98));
  for (std::int32_t& label : labels.mutable_data<std::int32_t>()) ++label;
  return {{nn::ctc_loss(call.x, labels,
                        {.input_lengths = call.in().lengths,
                         .target_lengths = call.out().lengths,
                         .zero_infinity = true,
                         .reduction = Reduction::none})}};
}

SequenceFunction classified(double smoothing) {
  return [=](const SequenceCall& call) {
    const Variable labels = call.tape.input(call.in().ids(kWidth, -100, -100));
    return SequenceResults{
        {cross_entropy(call.x, labels,
                       {.label_smoothing = smoothing, .reduction = Reduction::none}),
         &call.in()}};
  };
}

// **** decoding ****

SequenceResults ctc_decoded(const SequenceCall& call) {
  const Tensor x = call.x.value();
  const nn::CtcDecodingOptions options{.lengths = call.in().lengths, .beam_size = 4};
  std::vector<Decoded> greedy, beam;
  for (const auto& h : nn::ctc_greedy(x, options)) greedy.push_back({h.labels, h.log_probability});
  for (const auto& list : nn::ctc_beam_search(x, options)) {
    beam.push_back({list.at(0).labels, list[0].log_probability});
  }
  for (auto* found : {&greedy, &beam}) {
    for (Decoded& one : *found) one.tokens.resize(kLongest, -1);
  }
  return {as_rows(call.tape, greedy), as_rows(call.tape, beam)};
}

SequenceModel crf_decoded() {
  return {"Crf, decoding", [](const nn::Scope& s) -> SequenceFunction {
            return [crf = nn::Crf(s, kWidth)](const SequenceCall& call) {
              std::vector<Decoded> found;
              for (auto& path : crf.decode(call.x.value(), call.in().lengths)) {
                path.tags.resize(kLongest, -1);
                found.push_back({path.tags, path.score});
              }
              return SequenceResults{as_rows(call.tape, found)};
            };
          }};
}

/// Searches with a cell that looks at x, by greedy choice, beam and sampling.
SequenceModel searched() {
  struct Parts {
    nn::Embedding words;
    nn::GRUCell cell;
    nn::AdditiveAttention attention;
    nn::Linear output;
  };
  return {
      "Decoder", [](const nn::Scope& s) -> SequenceFunction {
        const Parts parts{nn::Embedding(s / "words", 5, kWidth),
                          nn::GRUCell(s / "cell", kWidth, kWidth),
                          nn::AdditiveAttention(s / "attention", kWidth, kWidth, 3),
                          nn::Linear(s / "output", 2 * kWidth, 5)};
        return [parts](const SequenceCall& call) {
          const Tape::NoGradient guard = call.tape.no_gradient();
          const auto memory = parts.attention.prepare(transpose(call.x, 0, 1), call.mask());
          auto steps = nn::decoder(
              [&](Tape&, const Variable& ids, const Variable& h, const nn::AttentionMemory& at) {
                const Variable next = parts.cell.step(parts.words(ids), h);
                const auto attended = parts.attention(next, at);
                return nn::DecoderStep<Variable>{parts.output(concat({next, attended.context}, -1)),
                                                 next, attended.weights};
              },
              call.rows(kWidth, 70), memory);
          nn::DecodingOptions options{.begin = 2, .end = 3, .max_length = kLongest};
          SequenceResults results{as_rows(call.tape, best_of(nn::greedy(steps, options))),
                                  as_rows(call.tape, best_of(beam_search(steps, options)))};
          options.seeds = call.in().keys;
          results.push_back(as_rows(call.tape, best_of(sample(steps, options))));
          return results;
        };
      }};
}

// **** EncoderDecoder ****

/// Begin, the ids of a side, end, and padding: int32 [B, T + 2].
Tensor target_of(const Ragged& side) {
  const Tensor ids = side.ids(3, 0, 0);
  Tensor result(Shape{side.batch(), side.steps + 2}, Dtype::int32);
  const auto out = result.mutable_data<std::int32_t>();
  for (std::int64_t b = 0; b < side.batch(); ++b) {
    std::int32_t* row = out.data() + b * (side.steps + 2);
    *row++ = 2;
    const std::int32_t length = side.lengths[static_cast<std::size_t>(b)];
    for (std::int32_t t = 0; t < length; ++t) {
      *row++ = 4 + static_cast<std::int32_t>(ids.at(t * side.batch() + b));
    }
    *row = 3;
  }
  return result;
}

template <class Model>
SequenceModel encoder_decoder(const std::string& name, nn::EncoderDecoderOptions options,
                              const nn::ScheduledSampling& sampling = {}) {
  options.source_vocabulary = options.target_vocabulary = 7;
  options.embedding = options.hidden = 3;
  const auto make = [=](const nn::Scope& s) -> SequenceFunction {
    return [sampling, model = Model(s, options)](const SequenceCall& call) {
      const nn::Lengths lengths = call.in().lengths;
      const Tensor source = nn::time_first(call.in().ids(7, 0, 5));
      const Variable losses = model.loss(
          call.tape, source, target_of(call.out()),
          {.source_lengths = lengths, .sampling = sampling, .reduction = Reduction::none});
      SequenceResults results{{sum(losses, 0)}};
      if (in_training(losses)) return results;
      const nn::DecodingOptions search{.max_length = kLongest, .beam_size = 3};
      results.push_back(as_rows(call.tape, best_of(nn::greedy(model, source, search, lengths))));
      results.push_back(
          as_rows(call.tape, best_of(nn::beam_search(model, source, search, lengths))));
      return results;
    };
  };
  return {"EncoderDecoder, " + name, make, options.dropout + sampling.probability > 0};
}

/// Layers that know nothing of time, before and after the mean over it.
SequenceModel around_pooling() {
  struct Parts {
    nn::Embedding words;
    nn::LayerNorm norm;
    nn::Linear output;
  };
  return {"Embedding, LayerNorm, Linear", [](const nn::Scope& s) -> SequenceFunction {
            const Parts parts{nn::Embedding(s / "words", 5, kWidth),
                              nn::LayerNorm(s / "norm", kWidth, 0.1),
                              nn::Linear(s / "output", kWidth, 3)};
            return [parts](const SequenceCall& call) {
              const nn::PoolOptions options{.lengths = call.in().lengths};
              const Variable ids = call.tape.input(call.in().ids(5, 0, 4));
              const Variable both =
                  nn::pool_mean(call.x, options) + nn::pool_mean(parts.words(ids), options);
              return SequenceResults{{parts.output(parts.norm(both))}};
            };
          }};
}

}  // namespace

std::vector<SequenceModel> output_models() {
  using Call = const SequenceCall&;
  const auto pool = [](auto f) {
    return [f](Call call) { return SequenceResults{{f(call.x, call.in().lengths)}}; };
  };
  using X = const Variable&;
  using L = const nn::Lengths&;
  return {
      plain("pool_last", pool([](X x, L l) { return nn::pool_last(x, {l}); })),
      plain("pool_mean", pool([](X x, L l) { return nn::pool_mean(x, {l}); })),
      plain("pool_max", pool([](X x, L l) { return nn::pool_max(x, {l}); })),
      plain("pool_mean, batch first", pool([](X x, L l) {
              return nn::pool_mean(transpose(x, 0, 1), {l, true});
            })),
      around_pooling(),
      crf("Crf", {}),
      crf("Crf by products", {.products = true}),
      crf_decoded(),
      plain("ctc_loss", ctc),
      plain("ctc, decoding", ctc_decoded),
      plain("cross_entropy", classified(0)),
      plain("cross_entropy, smoothed", classified(0.2)),
      searched(),
      encoder_decoder<nn::EncoderDecoder<>>("additive", {.encoder_layers = 2}),
      encoder_decoder<nn::EncoderDecoder<nn::LSTMCell, nn::GeneralAttention>>(
          "general, conditional", {.decoder_layers = 2, .conditional = true}),
      encoder_decoder<nn::EncoderDecoder<nn::GRUCell, nn::LocationAttention>>("location, tied",
                                                                              {.tie_output = true}),
      encoder_decoder<nn::EncoderDecoder<>>("dropout", {.dropout = 0.3}),
      encoder_decoder<nn::EncoderDecoder<>>("fed with its own tokens", {}, {.probability = 0.5}),
  };
}

}  // namespace detail

const std::vector<SequenceModel>& sequence_models() {
  static const std::vector<SequenceModel> models = [] {
    std::vector<SequenceModel> all = detail::recurrent_models();
    for (auto& part : {detail::attention_models(), detail::output_models()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return models;
}

}  // namespace unroll::testing
