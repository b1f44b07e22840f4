// Many-to-one: the network, its training and its use.
#include <unroll/examples/tasks/parts/classifier.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/batches.h>
#include <unroll/text/corpus.h>
#include <unroll/train/confusion_matrix.h>

namespace unroll::tasks {

namespace {

using Ids = std::vector<std::int32_t>;

struct Data {
  std::vector<Ids> ids;
  Ids labels;
};

/// Vocabularies and network; in a file, the first ones as metadata.
struct Classifier {
  text::Vocabulary tokens, labels;
  ParameterSet parameters;
  nn::Embedding embedding;
  nn::GRU gru;
  nn::Linear scores;
  double dropout_rate;

  Classifier(const Settings& s, text::Vocabulary token_names, text::Vocabulary label_names)
      : tokens(std::move(token_names)),
        labels(std::move(label_names)),
        parameters(s.seed),
        embedding(parameters.scope("embedding"), static_cast<std::int64_t>(tokens.size()),
                  s.embedding,
                  {.padding_idx = text::kPad, .initializer = nn::init::normal(0, 0.3)}),
        gru(parameters.scope("gru"), s.embedding, s.hidden,
            {.layers = s.layers, .bidirectional = true, .dropout = s.dropout}),
        scores(parameters.scope("scores"), 2 * s.hidden, static_cast<std::int64_t>(labels.size())),
        dropout_rate(s.dropout) {}

  static Classifier load(const Settings& s) {
    const ModelFile file(s.model);
    Classifier model(file.with_sizes(s), file.vocabulary("tokens"), file.vocabulary("labels"));
    file.assign_to(model.parameters);
    return model;
  }
  std::map<std::string, std::string> metadata(const Settings& s) const {
    auto entries = sizes_of(s);
    entries["tokens"] = tokens.to_json();
    entries["labels"] = labels.to_json();
    return entries;
  }

  /// ids [T, B] -> [B, labels]
  Variable operator()(Tape& tape, const text::PaddedIds& batch) const {
    const Variable x = dropout(embedding(tape.input(batch.ids)), dropout_rate);
    const Variable outputs = gru(x, {.lengths = batch.lengths}).outputs;
    return scores(dropout(nn::pool_max(outputs, {.lengths = batch.lengths}), dropout_rate));
  }

  Data encode(const std::vector<Labelled>& examples, const ClassifierTask& task) const {
    Data data;
    for (const Labelled& example : examples) {
      data.ids.push_back(tokens.encode(task.tokens(example.text)));
      data.labels.push_back(labels.id(example.label));
      if (data.labels.back() == text::kUnk) {
        throw ValueError(fmt::format("got the class \"{}\"; expected one of the {} of the model",
                                     example.label, labels.size() - text::kFirstToken));
      }
    }
    return data;
  }

  /// The log-probability of every label, per example.
  std::vector<std::vector<float>> predict(const std::vector<Ids>& ids, int threads) const {
    std::vector<std::vector<float>> result(ids.size());
    std::vector<text::ExampleLength> lengths;
    for (const Ids& one : ids) lengths.push_back({static_cast<std::int32_t>(one.size()), 0});
    train::for_each_batch(
        text::make_batches(lengths, {.max_tokens = 8192}, 0),
        [&](Tape& tape, train::Examples examples) {
          const Tensor logs = log_softmax((*this)(tape, text::padded(ids, examples))).value();
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
  double accuracy, macro_f1, loss;
};

Quality quality(const Classifier& model, const Data& data, int threads) {
  const auto logs = model.predict(data.ids, threads);
  const Shape count{static_cast<std::int64_t>(logs.size())};
  Tensor guesses(count, Dtype::int32);
  double loss = 0;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    guesses.mutable_data<std::int32_t>()[i] =
        static_cast<std::int32_t>(std::ranges::max_element(logs[i]) - logs[i].begin());
    loss -= logs[i][static_cast<std::size_t>(data.labels[i])];
  }
  train::ConfusionMatrix matrix(static_cast<std::int64_t>(model.labels.size()));
  matrix.add(guesses, Tensor(count, std::span<const std::int32_t>(data.labels)));
  return {matrix.accuracy(), matrix.macro().f1, loss / static_cast<double>(logs.size())};
}

void print(const std::string& what, const Quality& q) {
  fmt::print("{}: accuracy {:.2f} %  macro F1 {:.4f}  cross-entropy {:.4f}\n", what,
             100 * q.accuracy, q.macro_f1, q.loss);
}

}  // namespace

std::vector<Labelled> read_labelled(const std::string& path, int label_column) {
  std::vector<Labelled> result;
  for (text::SentencePair& pair :
       text::read_corpus(path, {.bad_line = text::BadLine::stop}).pairs) {
    if (label_column == 0) std::swap(pair.source, pair.target);
    result.push_back({std::move(pair.source), std::move(pair.target)});
  }
  return result;
}

void train_classifier(const ClassifierTask& task) {
  const Settings& s = task.settings;
  const auto [examples, valid] = task.source.training(s);
  text::TokenCounts tokens, labels;
  for (const Labelled& example : examples) {
    for (const std::string& token : task.tokens(example.text)) ++tokens[token];
    ++labels[example.label];
  }
  Classifier model(s, text::Vocabulary::build(tokens), text::Vocabulary::build(labels));
  const Data data = model.encode(examples, task), held_out = model.encode(valid, task);

  const auto loss = [&](Tape& tape, train::Examples part) {
    text::PaddedIds batch = text::padded(data.ids, part);
    if (task.token_dropout > 0) {
      Random random(mix(tape.options().seed, 3));
      for (std::int32_t& id : batch.ids.mutable_data<std::int32_t>()) {
        if (id != text::kPad && random.uniform() < task.token_dropout) id = text::kUnk;
      }
    }
    return cross_entropy(model(tape, batch), tape.input(labels_of(data.labels, part)),
                         {.label_smoothing = 0.1, .reduction = Reduction::sum});
  };
  const auto validate = [&] {
    return score_of_accuracy(quality(model, held_out, s.threads).accuracy);
  };
  train_model(s, model.parameters,
              {.batches = shuffled(s, data.ids.size()), .loss = loss, .validate = validate},
              model.metadata(s));
  print("validation", quality(model, held_out, s.threads));
  if (task.source.has_test(s)) evaluate_classifier(task);
}

void evaluate_classifier(const ClassifierTask& task) {
  const Classifier model = Classifier::load(task.settings);
  const Data data = model.encode(task.source.test(task.settings), task);
  print("test", quality(model, data, task.settings.threads));
}

void run_classifier(const ClassifierTask& task) {
  const Classifier model = Classifier::load(task.settings);
  answer_lines("a text", [&](const std::string& line) {
    const auto logs = model.predict({model.tokens.encode(task.tokens(line))}, 1).front();
    std::vector<std::size_t> order(logs.size() - text::kFirstToken);
    std::iota(order.begin(), order.end(), std::size_t{text::kFirstToken});
    std::ranges::stable_sort(order, std::greater(), [&](std::size_t c) { return logs[c]; });
    std::string answer = line;
    for (std::size_t k = 0; k < std::min<std::size_t>(3, order.size()); ++k) {
      answer +=
          fmt::format("\t{} {:.1f} %", model.labels.token(static_cast<std::int32_t>(order[k])),
                      100 * std::exp(logs[order[k]]));
    }
    return answer;
  });
}

}  // namespace unroll::tasks
