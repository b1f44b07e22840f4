// Many-to-one: reading, the network, its training and its use.
#include <unroll/examples/tasks/classifier.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/batches.h>
#include <unroll/text/vocabulary.h>
#include <unroll/train/checkpoint.h>

namespace unroll::tasks {

namespace {

using Ids = std::vector<std::int32_t>;

std::vector<Labelled> read(const std::string& path, int label_column) {
  std::vector<Labelled> result;
  for (text::SentencePair& pair :
       text::read_corpus(path, {.bad_line = text::BadLine::stop}).pairs) {
    if (label_column == 0) std::swap(pair.source, pair.target);
    result.push_back({std::move(pair.source), std::move(pair.target)});
  }
  if (result.empty()) throw IoError(path + ": no line in it");
  return result;
}

struct Data {
  std::vector<Ids> ids;
  std::vector<std::int32_t> labels;
};

struct Network {
  nn::Embedding embedding;
  nn::GRU gru;
  nn::Linear scores;
  double dropout_rate;

  Network(const Scope& scope, const Settings& s, std::size_t tokens, std::size_t labels)
      : embedding(scope / "embedding", static_cast<std::int64_t>(tokens), s.embedding,
                  {.padding_idx = text::kPad, .initializer = nn::init::normal(0, 0.3)}),
        gru(scope / "gru", s.embedding, s.hidden,
            {.layers = s.layers, .bidirectional = true, .dropout = s.dropout}),
        scores(scope / "scores", 2 * s.hidden, static_cast<std::int64_t>(labels)),
        dropout_rate(s.dropout) {}

  /// ids [T, B] -> [B, labels]
  Variable operator()(Tape& tape, const text::PaddedIds& batch) const {
    const Variable x = dropout(embedding(tape.input(batch.ids)), dropout_rate);
    const Variable outputs = gru(x, {.lengths = batch.lengths}).outputs;
    return scores(dropout(nn::pool_max(outputs, {.lengths = batch.lengths}), dropout_rate));
  }
};

/// Vocabularies and network; in a file, the first ones as metadata.
struct Classifier {
  text::Vocabulary tokens, labels;
  ParameterSet parameters;
  Network network;

  Classifier(const Settings& s, text::Vocabulary token_names, text::Vocabulary label_names)
      : tokens(std::move(token_names)),
        labels(std::move(label_names)),
        parameters(s.seed),
        network(parameters.scope(), s, tokens.size(), labels.size()) {}

  std::map<std::string, std::string> metadata(const Settings& s) const {
    return {{"tokens", tokens.to_json()},
            {"labels", labels.to_json()},
            {"embedding", std::to_string(s.embedding)},
            {"hidden", std::to_string(s.hidden)},
            {"layers", std::to_string(s.layers)}};
  }

  static Classifier load(Settings s) {
    const train::TensorFile file = train::load_safetensors(s.model);
    const auto entry = [&](const char* key) { return train::metadata_of(file, key, s.model); };
    s.embedding = std::stoll(entry("embedding"));
    s.hidden = std::stoll(entry("hidden"));
    s.layers = std::stoi(entry("layers"));
    Classifier result(s, text::Vocabulary::from_json(entry("tokens")),
                      text::Vocabulary::from_json(entry("labels")));
    train::assign_model(result.parameters, file, s.model);
    return result;
  }

  Data encode(const std::vector<Labelled>& examples, const ClassifierTask& task) const {
    Data data;
    for (const Labelled& example : examples) {
      data.ids.push_back(tokens.encode(task.tokens(example.text)));
      data.labels.push_back(labels.id(example.label));
    }
    return data;
  }

  /// The log-probability of every label, per example.
  std::vector<std::vector<float>> predict(const std::vector<Ids>& ids, int threads) const {
    std::vector<std::vector<float>> result(ids.size());
    std::vector<text::ExampleLength> lengths;
    for (const Ids& one : ids) lengths.push_back({static_cast<std::int32_t>(one.size()), 0});
    const auto batches = text::make_batches(lengths, {.max_tokens = 8192}, 0);
    train::for_each_batch(
        batches,
        [&](Tape& tape, train::Examples examples) {
          const Tensor logs = log_softmax(network(tape, text::padded(ids, examples)), -1).value();
          const auto all = logs.data<float>();
          const std::size_t width = labels.size();
          for (std::size_t k = 0; k < examples.size(); ++k) {
            const auto row = all.subspan(k * width, width);
            result[examples[k]].assign(row.begin(), row.end());
          }
        },
        threads);
    return result;
  }
};

struct Quality {
  double accuracy = 0, macro_f1 = 0, loss = 0;
};

Quality quality(const Classifier& model, const Data& data, int threads) {
  const auto logs = model.predict(data.ids, threads);
  const std::size_t labels = model.labels.size();
  std::vector<double> right(labels), guessed(labels), there(labels);
  Quality result;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const auto label = static_cast<std::size_t>(data.labels[i]);
    const auto guess =
        static_cast<std::size_t>(std::ranges::max_element(logs[i]) - logs[i].begin());
    right[label] += guess == label ? 1 : 0;
    guessed[guess] += 1;
    there[label] += 1;
    result.loss -= logs[i][label] / static_cast<double>(logs.size());
  }
  double classes = 0;
  for (std::size_t c = 0; c < labels; ++c) {
    result.accuracy += right[c] / static_cast<double>(logs.size());
    if (there[c] == 0) continue;
    classes += 1;
    result.macro_f1 += 2 * right[c] / (guessed[c] + there[c]);
  }
  result.macro_f1 /= std::max(classes, 1.0);
  return result;
}

void print(const std::string& what, const Quality& q) {
  fmt::print("{}: accuracy {:.2f} %  macro F1 {:.4f}  cross-entropy {:.4f}\n", what,
             100 * q.accuracy, q.macro_f1, q.loss);
}

}  // namespace

void train_classifier(const ClassifierTask& task) {
  const Settings& s = task.settings;
  std::vector<Labelled> examples = s.data.empty() ? task.generate(task.generated, mix(s.seed, 1))
                                                  : read(s.data, task.label_column);
  std::vector<Labelled> valid;
  if (!s.valid.empty()) {
    valid = read(s.valid, task.label_column);
  } else {
    const auto order = train::shuffled_batches(examples.size(), examples.size(), s.seed, 0).at(0);
    std::vector<Labelled> kept;
    for (std::size_t k = 0; k < order.size(); ++k) {
      (k % 10 == 0 ? valid : kept).push_back(examples[order[k]]);
    }
    examples = std::move(kept);
  }

  text::TokenCounts tokens, labels;
  for (const Labelled& example : examples) {
    for (const std::string& token : task.tokens(example.text)) ++tokens[token];
    ++labels[example.label];
  }
  Classifier model(s, text::Vocabulary::build(tokens, {.min_count = task.min_count}),
                   text::Vocabulary::build(labels));
  const Data data = model.encode(examples, task), held_out = model.encode(valid, task);

  train_model(s, model.parameters,
              {.batches =
                   [&](int epoch) {
                     return train::shuffled_batches(data.ids.size(), s.batch, s.seed, epoch);
                   },
               .loss =
                   [&](Tape& tape, train::Examples part) {
                     text::PaddedIds batch = text::padded(data.ids, part);
                     if (task.token_dropout > 0) {
                       Random random(mix(tape.options().seed, 3));
                       for (std::int32_t& id : batch.ids.mutable_data<std::int32_t>()) {
                         if (id != text::kPad && random.uniform() < task.token_dropout) {
                           id = text::kUnk;
                         }
                       }
                     }
                     Ids wanted;
                     for (const std::size_t i : part) wanted.push_back(data.labels[i]);
                     const auto count = static_cast<std::int64_t>(wanted.size());
                     return cross_entropy(
                         model.network(tape, batch),
                         tape.input(Tensor({count}, std::span<const std::int32_t>(wanted))),
                         {.label_smoothing = 0.1, .reduction = Reduction::sum});
                   },
               .validate =
                   [&] {
                     const Quality q = quality(model, held_out, s.threads);
                     return train::Score{1 - q.accuracy, fmt::format("validation accuracy {:.2f} %",
                                                                     100 * q.accuracy)};
                   }},
              model.metadata(s));
  print("validation", quality(model, held_out, s.threads));
  if (!s.test.empty()) evaluate_classifier(task);
}

void evaluate_classifier(const ClassifierTask& task) {
  const Classifier model = Classifier::load(task.settings);
  const auto examples = task.settings.test.empty() ? task.generate(1000, 77)
                                                   : read(task.settings.test, task.label_column);
  print("test", quality(model, model.encode(examples, task), task.settings.threads));
}

void run_classifier(const ClassifierTask& task) {
  const Classifier model = Classifier::load(task.settings);
  for (std::string line; std::getline(std::cin, line);) {
    const auto logs = model.predict({model.tokens.encode(task.tokens(line))}, 1).front();
    std::vector<std::size_t> order(logs.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t c) { return logs[c]; });
    fmt::print("{}", line);
    for (std::size_t k = 0; k < std::min<std::size_t>(3, order.size()); ++k) {
      fmt::print("\t{} {:.1f} %", model.labels.token(static_cast<std::int32_t>(order[k])),
                 100 * std::exp(logs[order[k]]));
    }
    fmt::print("\n");
  }
}

}  // namespace unroll::tasks
