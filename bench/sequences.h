// SequenceTraining: loss and gradients of something recurrent over whole sequences, by its
// parameters and its input. The loss is the sum of all outputs times fixed random numbers, so that
// no two outputs get the same gradient.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <unroll/bench/training.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>

namespace unroll::bench {

/// `Net` is made as Net(scope, in, hidden) and takes x [T, B, in] to outputs [T, B, hidden].
template <class Net>
class SequenceTraining final : public Training {
 public:
  SequenceTraining(const Setting& setting, const Sizes& sizes)
      : Training(setting, sizes.batch), net_(parameters_.scope(), sizes.hidden, sizes.hidden) {
    const Shape shape{sizes.steps, sizes.batch, sizes.hidden};
    x_ = create_split("x", random_numbers(shape, 2));
    factors_ = split_input("factors", random_numbers(shape, 3));
  }

 protected:
  Variable loss(Tape& tape, int shard) override {
    const auto i = static_cast<std::size_t>(shard);
    return sum(net_(tape.use(x_[i])) * tape.input(factors_[i]));
  }

 private:
  Net net_;
  std::vector<Parameter> x_;     ///< per shard
  std::vector<Tensor> factors_;  ///< per shard
};

/// A layer of the library.
template <class Layer>
struct LayerNet {
  Layer layer;
  LayerNet(const Scope& scope, std::int64_t in, std::int64_t hidden) : layer(scope, in, hidden) {}
  Variable operator()(const Variable& x) const { return layer(x).outputs; }
};

/// A cell, step by step.
template <nn::RecurrentCell Cell>
struct CellNet {
  Cell cell;
  CellNet(const Scope& scope, std::int64_t in, std::int64_t hidden) : cell(scope, in, hidden) {}
  Variable operator()(const Variable& x) const { return nn::unroll(cell, x).outputs; }
};

template <class Net>
Entry sequence_entry(const std::string& family, const Sizes& sizes, int gates,
                     const std::string& what) {
  Entry entry;
  entry.name = family + '/' + sizes.name();
  entry.what = what;
  entry.flop = sizes.flop(gates);
  entry.tokens = sizes.tokens();
  entry.make = [sizes](const Setting& setting) {
    return std::make_unique<SequenceTraining<Net>>(setting, sizes);
  };
  return entry;
}

using LstmNet = LayerNet<nn::LSTM>;
using GruNet = LayerNet<nn::GRU>;
using RnnNet = LayerNet<nn::RNN>;

}  // namespace unroll::bench
