// Language models: truncated back-propagation over columns of text, and writing.
#include <unroll/examples/tasks/parts/language_model.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/random.h>
#include <unroll/examples/tasks/parts/language_network.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>

namespace unroll::tasks {

namespace {

struct Parts {
  Tokens training, validation, test;
};

/// The texts of the settings' files; what is missing is cut off the end of `data`.
Parts parts_of(const LanguageModelTask& task) {
  const Settings& s = task.settings;
  Parts parts{s.data.empty() ? task.generate() : task.read(s.data), {}, {}};
  const auto cut = [&](std::size_t kept) {
    const auto at = parts.training.begin() + static_cast<std::ptrdiff_t>(kept);
    Tokens end(at, parts.training.end());
    parts.training.erase(at, parts.training.end());
    return end;
  };
  parts.test = s.test.empty() ? cut(parts.training.size() * 9 / 10) : task.read(s.test);
  parts.validation = s.valid.empty() ? cut(parts.training.size() * 95 / 100) : task.read(s.valid);
  return parts;
}

void print_test(const LanguageNetwork& model, const Tokens& tokens, int threads) {
  const Columns text(model.vocabulary.encode(tokens), 1, 200);
  const auto result = model.perplexity(text, threads);
  fmt::print("test: {} tokens, {:.4f} nats per token, perplexity {:.2f}\n", result.count(),
             result.mean_loss(), result.value());
}

void train_language_model(const LanguageModelTask& task) {
  const Settings& s = task.settings;
  const Parts parts = parts_of(task);
  text::TokenCounts counts;
  for (const std::string& token : parts.training) ++counts[token];
  LanguageNetwork model(s, text::Vocabulary::build(counts), task.tied);
  if (task.init > 0) {
    for (const Parameter& p : model.parameters) {
      p.assign(random_uniform(p.shape(), mix(s.seed, p.index()), -task.init, task.init, p.dtype()));
    }
  }
  const auto steps = static_cast<std::size_t>(task.steps);
  const Columns text(model.vocabulary.encode(parts.training), s.batch, steps);
  const Columns held_out(model.vocabulary.encode(parts.validation), 10, steps);

  nn::TruncatedBPTT bptt(model.lstm);
  const train::Task learning{
      .batches =
          [&](int) {
            bptt.reset();
            train::Batches chunks;
            for (std::size_t k = 0; k < text.chunks(); ++k) chunks.push_back({k});
            return chunks;
          },
      .weight =
          [&](train::Examples chunk) { return static_cast<double>(text.tokens_of(chunk[0])); },
      .validate =
          [&] {
            const auto found = model.perplexity(held_out, s.threads);
            return train::Score{found.mean_loss(),
                                fmt::format("validation {:.4f} nats, perplexity {:.2f}",
                                            found.mean_loss(), found.value())};
          },
      .step =
          [&](Parallel& parallel, train::Examples chunk, std::uint64_t seed) {
            const double share = 1 / static_cast<double>(text.tokens_of(chunk[0]));
            return bptt.gradients(
                parallel, model.parameters,
                [&](Tape& tape, int shard, const auto& states) {
                  auto found =
                      model.loss(tape, text.chunk(chunk[0], shard, parallel.shards()), states);
                  if (found.loss.defined()) found.loss = found.loss * share;
                  return found;
                },
                seed);
          },
      .carried = [&] { return bptt.values(); },
      .set_carried = [&](const auto& values) { bptt.set_values(values); }};
  auto metadata = sizes_of(s);
  metadata["vocabulary"] = model.vocabulary.to_json();
  if (task.sgd) {
    optim::SGD sgd(model.parameters, {.lr = s.learning_rate});
    const auto falling = [&](const train::Moment& now) {
      const double epochs = std::floor(now.epoch) - static_cast<double>(task.constant_epochs) + 1;
      return s.learning_rate / std::pow(task.decay, std::max(0.0, epochs));
    };
    train_model(s, model.parameters, learning, metadata, {sgd, falling});
  } else {
    train_model(s, model.parameters, learning, metadata);
  }
  print_test(model, parts.test, s.threads);
}

void write_text(const LanguageModelTask& task) {
  const LanguageNetwork model = LanguageNetwork::load(task.settings);
  const Tokens prompt = task.split(task.prompt);
  auto ids = model.vocabulary.encode({task.before});
  for (const std::int32_t id : model.vocabulary.encode(prompt)) ids.push_back(id);
  const auto known = static_cast<std::int64_t>(ids.size()) - 1;
  Tape tape({.training = false});
  const Tensor read({known, 1}, std::span<const std::int32_t>(ids).first(ids.size() - 1));
  auto steps = nn::decoder(
      [&](Tape&, const Variable& last, const nn::LSTM::States& states) {
        const std::int64_t rows = last.shape()[0];
        auto next = model(reshape(last, {1, rows}), states);
        return nn::DecoderStep<nn::LSTM::States>{reshape(next.scores, {rows, model.size()}),
                                                 next.states};
      },
      model(tape.input(read), std::nullopt).states);
  const auto written =
      nn::sample(steps, {.begin = ids.back(),
                         .end = text::kEos,
                         .max_length = task.length,
                         .forbidden = {text::kPad, text::kUnk, text::kBos, text::kEos},
                         .temperature = task.temperature,
                         .top_p = task.top_p,
                         .seed = task.settings.seed});
  Tokens all = prompt;
  for (auto& token : model.vocabulary.decode(written[0][0].tokens)) all.push_back(std::move(token));
  fmt::print("{}\n", task.joined(all));
}

}  // namespace

Program language_model_program(const std::string& what, LanguageModelTask& task) {
  return {
      .what = what,
      .settings = task.settings,
      .files = Files::parts,
      .train = {[&task] { train_language_model(task); },
                {{"--steps", "tokens per chunk and column", &task.steps, 1},
                 {"--init", "parameters are uniform in +-this at first; 0: PyTorch's way",
                  &task.init},
                 {"--tied", "one matrix for embedding and scores, whose widths must be equal",
                  &task.tied},
                 {"--sgd", "plain SGD, its rate falling by epochs, instead of AdamW", &task.sgd},
                 {"--constant-epochs", "with --sgd: before the rate falls", &task.constant_epochs},
                 {"--decay", "with --sgd: divides the rate at every epoch", &task.decay, 1}}},
      .evaluate = {[&task] {
        print_test(LanguageNetwork::load(task.settings), parts_of(task).test,
                   task.settings.threads);
      }},
      .run = {[&task] { write_text(task); },
              {{"--prompt", "what the text begins with", &task.prompt},
               {"--length", "tokens to write", &task.length, 1},
               {"--temperature", "below 1 for what is likely, above for variety", &task.temperature,
                0.01, 100},
               {"--top-p", "only the likeliest tokens with this probability together", &task.top_p,
                0.001, 1}}}};
}

}  // namespace unroll::tasks
