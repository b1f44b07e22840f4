// Translator: batches, search, the model file.
#include <unroll/examples/translate/translator.h>

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/nn/seq2seq.h>
#include <unroll/text/batches.h>
#include <unroll/train/safetensors.h>

namespace unroll::translate {

namespace {

using Model = nn::EncoderDecoder<nn::GRUCell, nn::AdditiveAttention>;

constexpr const char* kFormat = "unroll translate 1";
constexpr std::size_t kSearchBatch = 32;  // sentences that are decoded side by side

nn::EncoderDecoderOptions network_options(const Languages& languages, const ModelOptions& options) {
  return {.source_vocabulary = static_cast<std::int64_t>(languages.source.vocabulary.size()),
          .target_vocabulary = static_cast<std::int64_t>(languages.target.vocabulary.size()),
          .embedding = options.embedding,
          .hidden = options.hidden,
          .dropout = options.dropout,
          .conditional = options.conditional,
          .deep_output = options.deep_output,
          .pad = text::kPad,
          .begin = text::kBos,
          .end = text::kEos};
}

std::string to_json(const ModelOptions& options) {
  return nlohmann::json{{"embedding", options.embedding},
                        {"hidden", options.hidden},
                        {"dropout", options.dropout},
                        {"conditional", options.conditional},
                        {"deep_output", options.deep_output}}
      .dump();
}

ModelOptions model_options_from_json(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  const ModelOptions usual;  // files of models that were made before an option was
  return {json.at("embedding").get<std::int64_t>(), json.at("hidden").get<std::int64_t>(),
          json.at("dropout").get<double>(), json.value("conditional", usual.conditional),
          json.value("deep_output", usual.deep_output)};
}

}  // namespace

struct Translator::Impl {
  Impl(Languages both, const ModelOptions& model_options, std::uint64_t seed)
      : languages(std::move(both)),
        options(model_options),
        parameters(seed),
        model(parameters.scope(), network_options(languages, options)) {}

  Languages languages;
  ModelOptions options;
  ParameterSet parameters;
  Model model;

  /// The hypotheses for several sources at once, best first for each.
  std::vector<std::vector<nn::Hypothesis>> search(
      const std::vector<std::vector<std::int32_t>>& sources, const SearchOptions& search,
      int n_best) const {
    const auto batch = text::padded(sources, {.pad = text::kPad, .batch_first = true});
    const std::int32_t longest = *std::ranges::max_element(batch.lengths);
    const nn::DecodingOptions decoding{
        .begin = text::kBos,
        .end = text::kEos,
        .max_length = search.max_length > 0 ? search.max_length : 2 * longest + 10,
        .forbidden = {text::kPad, text::kBos, text::kUnk},
        .beam_size = std::max(search.beam, n_best),
        .length_penalty = search.length_penalty,
        .n_best = n_best};
    auto steps = nn::decoder(model, batch.ids, batch.lengths);
    if (decoding.beam_size > 1) return nn::beam_search(steps, decoding);
    std::vector<std::vector<nn::Hypothesis>> result;
    for (nn::Hypothesis& best : nn::greedy(steps, decoding)) {
      result.emplace_back().push_back(std::move(best));
    }
    return result;
  }
};

Translator::Translator(Languages languages, const ModelOptions& options, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(std::move(languages), options, seed)) {}
Translator::~Translator() = default;
Translator::Translator(Translator&&) noexcept = default;
Translator& Translator::operator=(Translator&&) noexcept = default;

const Languages& Translator::languages() const { return impl_->languages; }
ParameterSet& Translator::parameters() { return impl_->parameters; }
const ParameterSet& Translator::parameters() const { return impl_->parameters; }

std::vector<Tensor> Translator::values() const {
  std::vector<Tensor> values;
  for (const Parameter& parameter : impl_->parameters) values.push_back(parameter.value());
  return values;
}

void Translator::assign(const std::vector<Tensor>& values) {
  if (values.size() != impl_->parameters.size()) {
    throw ValueError(fmt::format("Translator::assign: got {} tensors; expected {}", values.size(),
                                 impl_->parameters.size()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) impl_->parameters[i].assign(values[i]);
}

Variable Translator::loss(Tape& tape, const std::vector<const Example*>& examples,
                          const TargetOptions& options) const {
  std::vector<std::vector<std::int32_t>> sources, targets;
  for (const Example* example : examples) {
    sources.push_back(example->source);
    auto& target = targets.emplace_back(1, text::kBos);
    target.insert(target.end(), example->target.begin(), example->target.end());
    target.push_back(text::kEos);
  }
  const text::PaddingOptions rows{.pad = text::kPad, .batch_first = true};
  const auto [ids, lengths] = text::padded(sources, rows);
  return impl_->model.loss(
      tape, ids, text::padded(targets, rows).ids,
      {.source_lengths = lengths,
       .label_smoothing = options.label_smoothing,
       .sampling = {.probability = options.own_tokens, .in_evaluation = options.in_evaluation},
       .reduction = Reduction::sum});
}

std::vector<Translation> Translator::translate(const std::string& sentence,
                                               const SearchOptions& search, int n_best) const {
  const Languages& languages = impl_->languages;
  const auto ids = languages.source.encode(sentence, {.eos = true});
  const auto best = impl_->search({ids}, search, n_best);
  std::vector<Translation> result;
  for (const nn::Hypothesis& found : best.front()) {
    Translation& translation = result.emplace_back();
    translation.text = languages.target.decode(found.tokens);
    translation.score = found.score;
    translation.source_tokens = languages.source.tokenizer.tokenize(sentence);
    translation.source_tokens.emplace_back("<eos>");
    for (const std::int32_t id : found.tokens) {
      translation.tokens.push_back(languages.target.vocabulary.token(id));
    }
    if (found.ended) translation.tokens.emplace_back("<eos>");
    const auto weights = found.attention.data<float>();
    const std::size_t width = translation.source_tokens.size();
    for (std::size_t t = 0; t < translation.tokens.size(); ++t) {
      translation.attention.emplace_back(
          weights.begin() + static_cast<std::ptrdiff_t>(t * width),
          weights.begin() + static_cast<std::ptrdiff_t>((t + 1) * width));
    }
  }
  return result;
}

std::vector<std::string> Translator::translate_all(const std::vector<std::string>& sentences,
                                                   const SearchOptions& search, int threads) const {
  std::vector<std::string> result(sentences.size());
  std::vector<std::vector<std::int32_t>> sources;
  for (const std::string& sentence : sentences) {
    sources.push_back(impl_->languages.source.encode(sentence, {.eos = true}));
  }
  // Sentences of similar length side by side waste the fewest steps.
  std::vector<std::size_t> order(sentences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return sources[i].size(); });
  const std::size_t batches = (order.size() + kSearchBatch - 1) / kSearchBatch;
  if (batches == 0) return result;
  Parallel parallel({.shards = static_cast<int>(batches), .threads = threads, .tape = {}});
  parallel.run([&](Tape&, int batch) {
    const std::size_t first = static_cast<std::size_t>(batch) * kSearchBatch;
    const std::size_t last = std::min(first + kSearchBatch, order.size());
    std::vector<std::vector<std::int32_t>> own;
    for (std::size_t i = first; i < last; ++i) own.push_back(sources[order[i]]);
    const auto found = impl_->search(own, search, 1);
    for (std::size_t i = first; i < last; ++i) {
      result[order[i]] = impl_->languages.target.decode(found[i - first].front().tokens);
    }
  });
  return result;
}

void Translator::save(const std::string& path) const {
  train::TensorFile file;
  for (const Parameter& parameter : impl_->parameters) {
    file.tensors.emplace(parameter.name(), parameter.value());
  }
  file.metadata = {{"format", kFormat},
                   {"options", to_json(impl_->options)},
                   {"languages", impl_->languages.to_json()}};
  train::save_safetensors(path, file);
}

Translator Translator::load(const std::string& path) {
  const train::TensorFile file = train::load_safetensors(path);
  const auto metadata = [&](const char* key) -> const std::string& {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
      throw IoError(
          fmt::format("{}: no \"{}\" in the metadata; expected a file written by "
                      "translate train",
                      path, key));
    }
    return found->second;
  };
  if (metadata("format") != kFormat) {
    throw IoError(
        fmt::format("{}: format \"{}\"; expected \"{}\"", path, metadata("format"), kFormat));
  }
  try {
    Translator result(Languages::from_json(metadata("languages")),
                      model_options_from_json(metadata("options")), 0);
    if (file.tensors.size() != result.parameters().size()) {
      throw IoError(fmt::format("{}: {} tensors; the model has {} parameters", path,
                                file.tensors.size(), result.parameters().size()));
    }
    for (const Parameter& parameter : result.parameters()) {
      const auto found = file.tensors.find(parameter.name());
      if (found == file.tensors.end()) {
        throw IoError(fmt::format("{}: no tensor {}", path, parameter.name()));
      }
      parameter.assign(found->second);
    }
    return result;
  } catch (const nlohmann::json::exception& e) {
    throw IoError(fmt::format("{}: {}", path, e.what()));
  } catch (const ValueError& e) {
    throw IoError(fmt::format("{}: {}", path, e.what()));
  } catch (const ShapeError& e) {
    throw IoError(fmt::format("{}: {}", path, e.what()));
  } catch (const DtypeError& e) {
    throw IoError(fmt::format("{}: {}", path, e.what()));
  }
}

}  // namespace unroll::translate
