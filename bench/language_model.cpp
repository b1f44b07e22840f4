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
    const auto h = static_cast<double>(sizes.hidden);
    cost_.tokens = static_cast<double>(sizes.steps * sizes.batch);
    cost_.flop = cost_.tokens * (kLayers * flop_of_product(4 * h, h + h) +
                                 flop_of_product(static_cast<double>(kTreebankWords), h));
  }

 protected:
  LossAndGradients differentiate() override {
    if (segment_ == 0) bptt_.reset();
    const auto segment = [&](Tape& on, int shard, const auto& state) {
      const Tensor& words = words_[static_cast<std::size_t>(shard)];
      const Tensor inputs = rows_of(words, 0), targets = rows_of(words, 1);
      const auto run = lstm_(embedding_(on.input(inputs)), {.initial_state = state});
      const double share = static_cast<double>(inputs.size()) / cost_.tokens;
      return nn::Truncated{share * cross_entropy(output_(run.outputs), on.input(targets)),
                           run.last};
    };
    if (parallel() != nullptr) return bptt_.gradients(*parallel(), parameters_, segment);
    tape().reset();
    return bptt_.gradients(tape(), parameters_,
                           [&](const auto& state) { return segment(tape(), 0, state); });
  }

  void update(Gradients& gradients) override {
    optim::clip_norm(gradients, 5);
    sgd_.step(gradients);
    segment_ = (segment_ + 1) % kSegments;
  }

 private:
  /// The present segment, `shift` words later.
  Tensor rows_of(const Tensor& words, std::int64_t shift) const {
    const std::int64_t batch = words.shape()[1], first = segment_ * sizes_.steps + shift;
    return Tensor({sizes_.steps, batch}, words.data<std::int32_t>().subspan(
                                             static_cast<std::size_t>(first * batch),
                                             static_cast<std::size_t>(sizes_.steps * batch)));
  }

  Sizes sizes_;
  nn::Embedding embedding_;
  nn::LSTM lstm_;
  nn::Linear output_;
  optim::SGD sgd_;
  nn::TruncatedBPTT<nn::LSTM::States> bptt_;
  std::vector<Tensor> words_;  ///< per shard
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
