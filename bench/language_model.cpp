// W6: the word model of the Penn Treebank (Zaremba, Sutskever, Vinyals 2014), "small" and "medium":
// embedding, two LSTM layers, output layer; truncated backpropagation that carries the states from
// step to step; gradients clipped to norm 5; plain SGD. Without dropout, so that peers can compute
// the same.
#include <unroll/bench/corpora.h>
#include <unroll/bench/training.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/optim/optim.h>

namespace unroll::bench {

namespace {

constexpr std::int64_t kLayers = 2, kSegments = 40;

class LanguageModel final : public Training {
 public:
  LanguageModel(const Setting& setting, const Sizes& sizes)
      : Training(setting, sizes.batch),
        sizes_(sizes),
        embedding_(parameters_.scope("embedding"), kTreebankWords, sizes.hidden,
                   {.initializer = nn::init::uniform(-0.1, 0.1)}),
        lstm_(parameters_.scope("lstm"), sizes.hidden, sizes.hidden, {.layers = kLayers}),
        output_(parameters_.scope("output"), sizes.hidden, kTreebankWords),
        sgd_(std::vector<Parameter>(parameters_.begin(), parameters_.end()), {.lr = 1}) {
    // Each column of the batch reads a stretch of the text of its own; one word more is the target.
    const std::int64_t rows = kSegments * sizes.steps + 1;
    const Ids text = treebank(setting.data, static_cast<std::size_t>(rows * sizes.batch));
    Tensor columns({rows, sizes.batch}, Dtype::int32);
    const auto ids = columns.mutable_data<std::int32_t>();
    for (std::int64_t b = 0; b < sizes.batch; ++b) {
      for (std::int64_t t = 0; t < rows; ++t) {
        ids[static_cast<std::size_t>(t * sizes.batch + b)] =
            text[static_cast<std::size_t>(b * rows + t)];
      }
    }
    words_ = split_input("words", columns);
    states_.resize(words_.size());
    const auto h = static_cast<double>(sizes.hidden);
    cost_.tokens = static_cast<double>(sizes.steps * sizes.batch);
    cost_.flop = cost_.tokens * (kLayers * flop_of_product(4 * h, h + h) +
                                 flop_of_product(static_cast<double>(kTreebankWords), h));
  }

 protected:
  Variable loss(Tape& tape, int shard) override {
    const auto i = static_cast<std::size_t>(shard);
    const Tensor inputs = rows_of(words_[i], 0), targets = rows_of(words_[i], 1);
    const auto run = lstm_(embedding_(tape.input(inputs)), {.initial_state = state_on(tape, i)});
    const Variable logits = output_(run.outputs);
    const double share = static_cast<double>(inputs.size()) / cost_.tokens;
    const Variable result = share * cross_entropy(logits, tape.input(targets));
    carry(i, run.last);
    return result;
  }

  void update(Gradients& gradients) override {
    optim::clip_norm(gradients, 5);
    sgd_.step(gradients);
    segment_ = (segment_ + 1) % kSegments;
  }

 private:
  using States = std::vector<nn::LSTMCell::State>;

  /// The present segment, `shift` words later.
  Tensor rows_of(const Tensor& words, std::int64_t shift) const {
    const std::int64_t batch = words.shape()[1], first = segment_ * sizes_.steps + shift;
    return Tensor({sizes_.steps, batch}, words.data<std::int32_t>().subspan(
                                             static_cast<std::size_t>(first * batch),
                                             static_cast<std::size_t>(sizes_.steps * batch)));
  }

  std::optional<States> state_on(Tape& tape, std::size_t shard) const {
    if (states_[shard].empty() || segment_ == 0) return std::nullopt;
    States result;
    for (std::size_t k = 0; k < states_[shard].size(); k += 2) {
      result.push_back({tape.input(states_[shard][k]), tape.input(states_[shard][k + 1])});
    }
    return result;
  }

  /// Asked for before the gradients, the values stay on the tape and are not computed twice.
  void carry(std::size_t shard, const States& last) {
    states_[shard].clear();
    for (const auto& [h, c] : last) {
      states_[shard].push_back(h.value());
      states_[shard].push_back(c.value());
    }
  }

  Sizes sizes_;
  nn::Embedding embedding_;
  nn::LSTM lstm_;
  nn::Linear output_;
  optim::SGD sgd_;
  std::vector<Tensor> words_;                ///< per shard
  std::vector<std::vector<Tensor>> states_;  ///< per shard: h and c of each layer
  std::int64_t segment_ = 0;
};

}  // namespace

void add_language_model(std::vector<Entry>& entries) {
  for (const Sizes& sizes : {Sizes{20, 20, 200}, {35, 20, 650}}) {
    Entry entry;
    entry.name = "W6/" + sizes.name();
    entry.what = "Penn Treebank model: 2 LSTM layers, 10,000 words, SGD";
    entry.make = [sizes](const Setting& setting) {
      return std::make_unique<LanguageModel>(setting, sizes);
    };
    entries.push_back(entry);
  }
}

}  // namespace unroll::bench
