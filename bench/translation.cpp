// W5: the translator of notebooks 3 and 4 of github.com/bentrevett/pytorch-seq2seq on Multi30k,
// German to English: a GRU in both directions, additive attention, a GRU decoder with teacher
// forcing; embeddings of 256, states of 512, batches of 128 sentences of their real lengths.
// Without dropout, so that peers can compute the same.
#include <algorithm>
#include <numeric>
#include <span>

#include <unroll/bench/corpora.h>
#include <unroll/bench/training.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/text/vocabulary.h>

namespace unroll::bench {

namespace {

constexpr std::int64_t kEmbedding = 256, kHidden = 512, kBatch = 128;
/// Batches of a step: several, because lengths differ from one to the next.
constexpr std::size_t kBatches = 2;

/// ids [T, B], padded.
Tensor padded(std::span<const Ids* const> sentences) {
  std::size_t longest = 0;
  for (const Ids* ids : sentences) longest = std::max(longest, ids->size());
  Tensor result = Tensor::full(
      {static_cast<std::int64_t>(longest), static_cast<std::int64_t>(sentences.size())}, text::kPad,
      Dtype::int32);
  const auto out = result.mutable_data<std::int32_t>();
  for (std::size_t b = 0; b < sentences.size(); ++b) {
    for (std::size_t t = 0; t < sentences[b]->size(); ++t) {
      out[t * sentences.size() + b] = (*sentences[b])[t];
    }
  }
  return result;
}

/// Rows [begin, end) of ids [T, B].
Tensor rows_of(const Tensor& ids, std::int64_t begin, std::int64_t end) {
  const std::int64_t batch = ids.shape()[1];
  return Tensor({end - begin, batch},
                ids.data<std::int32_t>().subspan(static_cast<std::size_t>(begin * batch),
                                                 static_cast<std::size_t>((end - begin) * batch)));
}

/// A shard of a batch.
struct Part {
  Tensor source, target;  ///< [S, B] and [T, B]
  std::vector<std::int32_t> lengths;
};

struct Net {
  nn::Embedding source, target;
  nn::GRU encoder;
  nn::Linear bridge;
  nn::AdditiveAttention attention;
  nn::GRUCell decoder;
  nn::Linear output;

  Net(ParameterSet& set, const Sentences& data)
      : source(set.scope("source"), data.source_vocabulary, kEmbedding),
        target(set.scope("target"), data.target_vocabulary, kEmbedding),
        encoder(set.scope("encoder"), kEmbedding, kHidden, {.bidirectional = true}),
        bridge(set.scope("bridge"), 2 * kHidden, kHidden),
        attention(set.scope("attention"), kHidden, 2 * kHidden, kHidden),
        decoder(set.scope("decoder"), kEmbedding + 2 * kHidden, kHidden),
        output(set.scope("output"), 3 * kHidden + kEmbedding, data.target_vocabulary) {}

  /// The sum over all target words of -log probability.
  Variable loss(Tape& tape, const Part& part) const {
    const auto encoded =
        encoder(source(tape.input(part.source)), {.lengths = nn::Lengths(part.lengths)});
    const std::int64_t steps = part.source.shape()[0], last = part.target.shape()[0] - 1;
    const Variable mask = tape.input(nn::length_mask(part.lengths, steps));
    const auto memory = attention.prepare(transpose(encoded.outputs, 0, 1), mask);
    Variable h = tanh(bridge(concat({encoded.last[0], encoded.last[1]}, -1)));

    const Variable embedded = target(tape.input(rows_of(part.target, 0, last)));
    Variables outputs, contexts;
    for (std::int64_t t = 0; t < last; ++t) {
      const Variable context = attention(h, memory).context;
      h = decoder.step(concat({select(embedded, 0, t), context}, -1), h);
      outputs.push_back(h);
      contexts.push_back(context);
    }
    const Variable logits = output(concat({stack(outputs), stack(contexts), embedded}, -1));
    return cross_entropy(logits, tape.input(rows_of(part.target, 1, last + 1)),
                         {.ignore_index = text::kPad, .reduction = Reduction::sum});
  }
};

class Translation final : public Training {
 public:
  explicit Translation(const Setting& setting)
      : Translation(setting, translation_pairs(setting.data, kBatches * kBatch)) {}

  void step() override {
    for (batch_ = 0; batch_ < kBatches; ++batch_) Training::step();
    batch_ = 0;
  }

 protected:
  Variable loss(Tape& tape, int shard) override {
    const Part& part = batches_[batch_].parts[static_cast<std::size_t>(shard)];
    return net_.loss(tape, part) * (1 / batches_[batch_].words);
  }

 private:
  struct Batch {
    std::vector<Part> parts;  ///< one per shard
    double words = 0;         ///< to be predicted
  };

  Translation(const Setting& setting, const Sentences& data)
      : Training(setting, kBatch), net_(parameters_, data) {
    for (std::size_t batch = 0; batch < kBatches; ++batch) {
      batches_.push_back(make_batch(data, batch * kBatch));
      const std::string number = std::to_string(batch);
      if (shards() == 1) {
        inputs_.emplace("source" + number, batches_.back().parts[0].source);
        inputs_.emplace("target" + number, batches_.back().parts[0].target);
      }
    }
  }

  /// Shards get sentences in turn, the longest first, so that all get equally much.
  Batch make_batch(const Sentences& data, std::size_t first) {
    std::vector<std::size_t> order(kBatch);
    std::iota(order.begin(), order.end(), first);
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::size_t i) { return data.target[i].size(); });
    Batch batch;
    for (std::size_t shard = 0; shard < static_cast<std::size_t>(shards()); ++shard) {
      std::vector<const Ids*> source, target;
      Part part;
      for (std::size_t i = shard; i < order.size(); i += static_cast<std::size_t>(shards())) {
        source.push_back(&data.source[order[i]]);
        target.push_back(&data.target[order[i]]);
        part.lengths.push_back(static_cast<std::int32_t>(source.back()->size()));
        add_cost(source.back()->size(), target.back()->size() - 1, data);
        batch.words += static_cast<double>(target.back()->size() - 1);
      }
      part.source = padded(source);
      part.target = padded(target);
      batch.parts.push_back(std::move(part));
    }
    return batch;
  }

  void add_cost(std::size_t source, std::size_t target, const Sentences& data) {
    const auto s = static_cast<double>(source), t = static_cast<double>(target);
    constexpr double e = kEmbedding, h = kHidden, c = 2 * kHidden;
    const double encoder = 2 * flop_of_product(3 * h, e + h) + flop_of_product(h, c);
    const double decoder = flop_of_product(3 * h, e + c + h) + flop_of_product(h, h) +
                           flop_of_product(static_cast<double>(data.target_vocabulary), h + c + e) +
                           s * (flop_of_product(1, h) + flop_of_product(1, c));
    cost_.flop += s * encoder + t * decoder;
    cost_.tokens += t;
  }

  Net net_;
  std::vector<Batch> batches_;
  std::size_t batch_ = 0;
};

}  // namespace

void add_translation(std::vector<Entry>& entries) {
  Entry entry;
  entry.name = "W5/multi30k";
  entry.what = "encoder-decoder with attention, 2 batches of 128; tokens are target words";
  entry.make = [](const Setting& setting) { return std::make_unique<Translation>(setting); };
  entries.push_back(entry);
}

}  // namespace unroll::bench
