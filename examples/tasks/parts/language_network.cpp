// The network of the language models.
#include <unroll/examples/tasks/parts/language_network.h>

#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/model_file.h>
#include <unroll/ops/ops.h>

namespace unroll::tasks {

namespace {

nn::Linear scores_of(LanguageNetwork& model, const Settings& s, bool tied) {
  const Scope scope = model.parameters.scope("scores");
  if (!tied) return {scope, s.hidden, model.size()};
  if (s.embedding != s.hidden) {
    throw ValueError(fmt::format("--tied: embedding is {} and hidden {}; expected one width",
                                 s.embedding, s.hidden));
  }
  return {scope, model.embedding.weight};
}

}  // namespace

LanguageNetwork::LanguageNetwork(const Settings& s, text::Vocabulary v, bool tied)
    : vocabulary(std::move(v)),
      parameters(s.seed),
      embedding(parameters.scope("embedding"), size(), s.embedding,
                {.initializer = nn::init::normal(0, 0.1)}),
      lstm(parameters.scope("lstm"), s.embedding, s.hidden,
           {.layers = s.layers, .dropout = s.dropout}),
      scores(scores_of(*this, s, tied)),
      dropout_rate(s.dropout) {}

LanguageNetwork LanguageNetwork::load(const Settings& s) {
  const ModelFile file(s.model);
  const Settings own = file.with_sizes(s);
  const bool tied = !file.holds("scores.weight") && own.embedding == own.hidden;
  LanguageNetwork model(own, file.vocabulary("vocabulary"), tied);
  file.assign_to(model.parameters);
  return model;
}

LanguageNetwork::Read LanguageNetwork::operator()(const Variable& ids,
                                                  const std::optional<States>& states) const {
  const Variable x = dropout(embedding(ids), dropout_rate);
  auto run = lstm(x, {.initial_state = states});
  return {scores(dropout(run.outputs, dropout_rate)), std::move(run.last)};
}

nn::Truncated<LanguageNetwork::States> LanguageNetwork::loss(
    Tape& tape, const Columns::Chunk& chunk, const std::optional<States>& states) const {
  if (chunk.inputs.size() == 0) return {};
  Read read = (*this)(tape.input(chunk.inputs), states);
  return {cross_entropy(read.scores, tape.input(chunk.targets), {.reduction = Reduction::sum}),
          std::move(read.states)};
}

train::Perplexity LanguageNetwork::perplexity(const Columns& text, int threads) const {
  Parallel parallel({.shards = static_cast<int>(std::min<std::size_t>(text.columns(), 4)),
                     .threads = threads,
                     .tape = {.training = false}});
  nn::TruncatedBPTT bptt(lstm);
  train::Perplexity result;
  for (std::size_t k = 0; k < text.chunks(); ++k) {
    const double sum = bptt.loss(parallel, [&](Tape& tape, int shard, const auto& states) {
      const auto constant = tape.no_gradient();
      return loss(tape, text.chunk(k, shard, parallel.shards()), states);
    });
    result.add(sum, static_cast<std::int64_t>(text.tokens_of(k)));
  }
  return result;
}

}  // namespace unroll::tasks
