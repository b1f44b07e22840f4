// W7: an LSTM over sequences of very different lengths in one batch.
#include <algorithm>
#include <cstring>
#include <numeric>

#include <unroll/autograd/random.h>
#include <unroll/bench/training.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>

namespace unroll::bench {

namespace {

constexpr std::int32_t kShortest = 5, kLongest = 200;

/// Column `column` of `from` [T, B, n] becomes column `to_column` of `to`, as many steps as it has.
void copy_column(const Tensor& from, std::int64_t column, Tensor& to, std::int64_t to_column) {
  const std::int64_t width = from.shape()[2];
  const float* source = from.data<float>().data() + column * width;
  float* target = to.mutable_data<float>().data() + to_column * width;
  for (std::int64_t t = 0; t < to.shape()[0]; ++t) {
    std::copy_n(source + t * from.shape()[1] * width, width, target + t * to.shape()[1] * width);
  }
}

class Ragged final : public Training {
 public:
  Ragged(const Setting& setting, std::int64_t batch, std::int64_t hidden)
      : Training(setting, batch), layer_(parameters_.scope(), hidden, hidden) {
    Random random(4);
    std::vector<std::int32_t> lengths;
    for (std::int64_t b = 0; b < batch; ++b) {
      lengths.push_back(kShortest +
                        static_cast<std::int32_t>(random.below(kLongest - kShortest + 1)));
    }
    const std::int64_t steps = *std::max_element(lengths.begin(), lengths.end());
    const Tensor x = random_numbers({steps, batch, hidden}, 2);
    Tensor factors = random_numbers({steps, batch, hidden}, 3);
    clear_padding(factors, lengths);
    inputs_.emplace("lengths", Tensor({batch}, lengths));
    inputs_.emplace("factors", factors);

    const auto tokens = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), 0));
    const auto h = static_cast<double>(hidden);
    cost_ = {.flop = tokens * flop_of_product(4 * h, h + h), .tokens = tokens};
    if (shards() == 1) {
      parts_ = {{parameters_.create("x", x), factors, lengths}};
    } else {
      deal(x, factors, lengths);
    }
  }

 protected:
  Variable loss(Tape& tape, int shard) override {
    const Part& part = parts_[static_cast<std::size_t>(shard)];
    const Variable outputs = layer_(tape.use(part.x), {.lengths = part.lengths}).outputs;
    return sum(outputs * tape.input(part.factors));
  }

 private:
  struct Part {
    Parameter x;
    Tensor factors;
    std::vector<std::int32_t> lengths;
  };

  /// Outputs in the padding are zero anyway, but a peer's may not be.
  static void clear_padding(Tensor& factors, const std::vector<std::int32_t>& lengths) {
    const std::int64_t batch = factors.shape()[1], width = factors.shape()[2];
    float* values = factors.mutable_data<float>().data();
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t t = lengths[static_cast<std::size_t>(b)]; t < factors.shape()[0]; ++t) {
        std::fill_n(values + (t * batch + b) * width, width, 0.0f);
      }
    }
  }

  /// Sequences go to the shards in turn, the longest first, so that all get equally much.
  void deal(const Tensor& x, const Tensor& factors, const std::vector<std::int32_t>& lengths) {
    std::vector<std::size_t> order(lengths.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::size_t b) { return lengths[b]; });
    const auto count = static_cast<std::size_t>(shards());
    for (std::size_t shard = 0; shard < count; ++shard) {
      Part part;
      std::vector<std::size_t> columns;
      for (std::size_t i = shard; i < order.size(); i += count) {
        columns.push_back(order[i]);
        part.lengths.push_back(lengths[order[i]]);
      }
      const Shape shape{part.lengths.front(), static_cast<std::int64_t>(columns.size()),
                        x.shape()[2]};
      Tensor own_x(shape);
      part.factors = Tensor(shape);
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto from = static_cast<std::int64_t>(columns[i]), to = static_cast<std::int64_t>(i);
        copy_column(x, from, own_x, to);
        copy_column(factors, from, part.factors, to);
      }
      part.x = parameters_.create("x." + std::to_string(shard), own_x);
      parts_.push_back(std::move(part));
    }
  }

  nn::LSTM layer_;
  std::vector<Part> parts_;
};

}  // namespace

void add_ragged(std::vector<Entry>& entries) {
  for (const auto& [batch, hidden] : {std::pair<std::int64_t, std::int64_t>{32, 256}, {64, 128}}) {
    Entry entry;
    entry.name = "W7/" + std::to_string(batch) + '/' + std::to_string(hidden);
    entry.what = "nn::LSTM over lengths from 5 to 200, named batch/width";
    entry.make = [batch = batch, hidden = hidden](const Setting& setting) {
      return std::make_unique<Ragged>(setting, batch, hidden);
    };
    entries.push_back(entry);
  }
}

}  // namespace unroll::bench
