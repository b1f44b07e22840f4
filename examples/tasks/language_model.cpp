// Language models: the network, truncated back-propagation over columns of text, writing.
#include <unroll/examples/tasks/language_model.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/checkpoint.h>

namespace unroll::tasks {

namespace {

using Ids = std::vector<std::int32_t>;
using States = nn::LSTM::States;

struct LanguageModel {
  text::Vocabulary vocabulary;
  ParameterSet parameters;
  nn::Embedding embedding;
  nn::LSTM lstm;
  nn::Linear scores;
  double dropout_rate;

  LanguageModel(const Settings& s, text::Vocabulary v)
      : vocabulary(std::move(v)),
        parameters(s.seed),
        embedding(parameters.scope("embedding"), size(), s.embedding,
                  {.initializer = nn::init::normal(0, 0.1)}),
        lstm(parameters.scope("lstm"), s.embedding, s.hidden,
             {.layers = s.layers, .dropout = s.dropout}),
        scores(parameters.scope("scores"), s.hidden, size()),
        dropout_rate(s.dropout) {}

  std::int64_t size() const { return static_cast<std::int64_t>(vocabulary.size()); }

  static LanguageModel load(Settings s) {
    const train::TensorFile file = train::load_safetensors(s.model);
    const auto entry = [&](const char* key) { return train::metadata_of(file, key, s.model); };
    s.embedding = std::stoll(entry("embedding"));
    s.hidden = std::stoll(entry("hidden"));
    s.layers = std::stoi(entry("layers"));
    LanguageModel result(s, text::Vocabulary::from_json(entry("vocabulary")));
    train::assign_model(result.parameters, file, s.model);
    return result;
  }

  std::map<std::string, std::string> metadata(const Settings& s) const {
    return {{"vocabulary", vocabulary.to_json()},
            {"embedding", std::to_string(s.embedding)},
            {"hidden", std::to_string(s.hidden)},
            {"layers", std::to_string(s.layers)}};
  }

  struct Read {
    Variable scores;  ///< [T, B, V]
    States states;
  };
  /// ids int32 [T, B]
  Read operator()(const Variable& ids, const std::optional<States>& states) const {
    const Variable x = dropout(embedding(ids), dropout_rate);
    auto run = lstm(x, {.initial_state = states});
    return {scores(dropout(run.outputs, dropout_rate)), std::move(run.last)};
  }
};

/// A text in columns of equal length, read from top to bottom in chunks of `steps` rows.
struct Columns {
  Ids ids;
  std::size_t columns, steps, length;

  Columns(Ids text, std::size_t column_count, std::size_t chunk)
      : ids(std::move(text)),
        columns(column_count),
        steps(chunk),
        length((ids.size() - 1) / columns) {
    if (length < 1) {
      throw ValueError(fmt::format("the text has {} tokens; expected more than {}, one per column",
                                   ids.size(), columns));
    }
  }

  std::size_t chunks() const { return (length + steps - 1) / steps; }

  struct Chunk {
    Tensor inputs, targets;  ///< [T, B]
  };
  /// Chunk k of columns [begin, end).
  Chunk chunk(std::size_t k, std::size_t begin, std::size_t end) const {
    const std::size_t first = k * steps, count = std::min(steps, length - first),
                      width = end - begin;
    const Shape shape{static_cast<std::int64_t>(count), static_cast<std::int64_t>(width)};
    Chunk result{Tensor(shape, Dtype::int32), Tensor(shape, Dtype::int32)};
    const auto inputs = result.inputs.mutable_data<std::int32_t>();
    const auto targets = result.targets.mutable_data<std::int32_t>();
    for (std::size_t t = 0; t < count; ++t) {
      for (std::size_t b = 0; b < width; ++b) {
        const std::size_t at = (begin + b) * length + first + t;
        inputs[t * width + b] = ids[at];
        targets[t * width + b] = ids[at + 1];
      }
    }
    return result;
  }
};

/// Nats per token of a whole text, the states carried from its begin to its end.
double cross_entropy_of(const LanguageModel& model, const Columns& text, int threads) {
  Parallel parallel({.shards = static_cast<int>(std::min<std::size_t>(text.columns, 4)),
                     .threads = threads,
                     .tape = {.training = false}});
  nn::TruncatedBPTT bptt(model.lstm);
  double sum = 0;
  for (std::size_t k = 0; k < text.chunks(); ++k) {
    sum += bptt.loss(parallel, [&](Tape& tape, int shard, const auto& states) {
      const auto no_gradient = tape.no_gradient();
      const auto i = static_cast<std::size_t>(shard),
                 parts = static_cast<std::size_t>(parallel.shards());
      const auto chunk = text.chunk(k, text.columns * i / parts, text.columns * (i + 1) / parts);
      auto read = model(tape.input(chunk.inputs), states);
      const Variable loss =
          cross_entropy(read.scores, tape.input(chunk.targets), {.reduction = Reduction::sum});
      return nn::Truncated{loss, std::move(read.states)};
    });
  }
  return sum / static_cast<double>(text.length * text.columns);
}

}  // namespace

void train_language_model(const LanguageModelTask& task) {
  const Settings& s = task.settings;
  const std::vector<std::string> tokens = task.tokens(s.data, 0);
  text::TokenCounts counts;
  for (const std::string& token : tokens) ++counts[token];
  LanguageModel model(s, text::Vocabulary::build(counts));
  if (task.init > 0) {
    for (const Parameter& p : model.parameters) {
      p.assign(random_uniform(p.shape(), mix(s.seed, p.index()), -task.init, task.init, p.dtype()));
    }
  }
  const auto steps = static_cast<std::size_t>(task.steps);
  const Columns text(model.vocabulary.encode(tokens), s.batch, steps);
  const Columns held_out(
      model.vocabulary.encode(task.tokens(s.valid.empty() ? s.data : s.valid, 1)), 10, steps);

  nn::TruncatedBPTT bptt(model.lstm);
  const std::vector<Parameter> parameters(model.parameters.begin(), model.parameters.end());
  optim::SGD sgd(parameters, {.lr = s.learning_rate});
  optim::AdamW adam(parameters, {.lr = s.learning_rate, .weight_decay = s.weight_decay});
  const auto falling = [&](const train::Moment& now) {
    const double epochs = std::floor(now.epoch) - static_cast<double>(task.constant_epochs) + 1;
    return s.learning_rate / std::pow(task.decay, std::max(0.0, epochs));
  };
  train_model(
      s, model.parameters,
      {.batches =
           [&](int) {
             bptt.reset();
             train::Batches batches;
             for (std::size_t k = 0; k < text.chunks(); ++k) batches.push_back({k});
             return batches;
           },
       .weight =
           [&](train::Examples chunk) {
             return static_cast<double>(text.chunk(chunk[0], 0, text.columns).inputs.size());
           },
       .validate =
           [&] {
             const double loss = cross_entropy_of(model, held_out, s.threads);
             return train::Score{loss, fmt::format("validation {:.4f} nats, perplexity {:.2f}",
                                                   loss, std::exp(loss))};
           },
       .step =
           [&](Parallel& parallel, train::Examples batch, std::uint64_t seed) {
             return bptt.gradients(
                 parallel, model.parameters,
                 [&](Tape& tape, int shard, const auto& states) {
                   const auto i = static_cast<std::size_t>(shard),
                              parts = static_cast<std::size_t>(parallel.shards());
                   const auto chunk = text.chunk(batch[0], text.columns * i / parts,
                                                 text.columns * (i + 1) / parts);
                   auto read = model(tape.input(chunk.inputs), states);
                   const double share = static_cast<double>(chunk.inputs.shape()[1]) /
                                        static_cast<double>(text.columns);
                   return nn::Truncated{
                       share * cross_entropy(read.scores, tape.input(chunk.targets)),
                       std::move(read.states)};
                 },
                 seed);
           },
       .carried = [&] { return bptt.values(); },
       .set_carried = [&](const auto& values) { bptt.set_values(values); }},
      model.metadata(s),
      task.sgd ? Recipe{sgd, falling}
               : Recipe{adam, train::cosine_rate(s.learning_rate, 0.02, 100)});
  evaluate_language_model(task);
}

void evaluate_language_model(const LanguageModelTask& task) {
  const Settings& s = task.settings;
  const LanguageModel model = LanguageModel::load(s);
  const Columns text(model.vocabulary.encode(task.tokens(s.test.empty() ? s.data : s.test, 2)), 1,
                     200);
  const double loss = cross_entropy_of(model, text, s.threads);
  fmt::print("test: {} tokens, {:.4f} nats per token, perplexity {:.2f}\n", text.length, loss,
             std::exp(loss));
}

void write_text(const LanguageModelTask& task) {
  const LanguageModel model = LanguageModel::load(task.settings);
  Ids prompt = model.vocabulary.encode(task.split(task.prompt));
  if (prompt.empty()) prompt.push_back(text::kFirstToken);
  const auto before = static_cast<std::int64_t>(prompt.size()) - 1;
  Tape tape({.training = false});
  const Tensor read({before, 1}, std::span<const std::int32_t>(prompt).first(prompt.size() - 1));
  auto steps = nn::decoder(
      [&](Tape&, const Variable& ids, const States& states) {
        const std::int64_t rows = ids.shape()[0];
        auto next = model(reshape(ids, {1, rows}), states);
        return nn::DecoderStep<States>{reshape(next.scores, {rows, model.size()}), next.states};
      },
      model(tape.input(read), std::nullopt).states);
  const auto written =
      nn::sample(steps, {.begin = prompt.back(),
                         .end = text::kEos,
                         .max_length = task.length,
                         .forbidden = {text::kPad, text::kUnk, text::kBos, text::kEos},
                         .temperature = task.temperature,
                         .top_p = task.top_p,
                         .seed = task.settings.seed});
  fmt::print("{}{}{}\n", task.prompt, task.prompt.empty() ? "" : task.separator,
             fmt::join(model.vocabulary.decode(written.front().front().tokens), task.separator));
}

std::vector<Option> options_of(LanguageModelTask& task) {
  return {
      {"--steps", "tokens per chunk and column", &task.steps},
      {"--init", "parameters are uniform in +-this at first; 0: PyTorch's way", &task.init},
      {"--sgd", "plain SGD, the rate falling from epoch to epoch, instead of AdamW", &task.sgd},
      {"--constant-epochs", "with --sgd: before the rate falls", &task.constant_epochs},
      {"--decay", "with --sgd: the rate is divided by this at every epoch", &task.decay},
      {"--prompt", "run: what the text begins with", &task.prompt},
      {"--length", "run: tokens to write", &task.length},
      {"--temperature", "run: below 1 for what is likely, above for variety", &task.temperature},
      {"--top-p", "run: only the likeliest tokens that have this probability together",
       &task.top_p}};
}

}  // namespace unroll::tasks
