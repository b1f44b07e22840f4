// A right call of every layer and of what makes one.
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/faults/calls.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kMost = 0x1p47;  // sizes below are legal, though no memory holds them

Argument size(const char* name, std::int64_t value, double least = 0) {
  return whole(name, value, least, kMost);
}
Argument rate(const char* name = "dropout") { return number(name, 0.5, fraction); }

/// Makes a layer; what comes out are its parameters.
Call making(const char* function, std::vector<Argument> arguments, void (*make)(World& w)) {
  return {function,
          std::move(arguments),
          [make](World& w) {
            make(w);
            return Result();
          },
          {},
          false};
}

const Line kMakingParts[] = {
    making("Linear", {size("in", 3), size("out", 4)},
           [](World& w) { nn::Linear(w.scope(), w.n(0), w.n(1)); }),
    making("Embedding",
           {size("count", 5, 1), size("width", 3), whole("padding_idx", 1, 0, 4, true)},
           [](World& w) { nn::Embedding(w.scope(), w.n(0), w.n(1), {.padding_idx = w.i(2)}); }),
    making("LayerNorm", {size("width", 3), number("eps", 1e-5, finite_not_negative)},
           [](World& w) { nn::LayerNorm(w.scope(), w.n(0), w.d(1)); }),
    making("Crf", {size("tags", 3, 1)}, [](World& w) { nn::Crf(w.scope(), w.n(0)); }),
    making("PositionalEncoding", {rate()},
           [](World& w) { nn::PositionalEncoding({.dropout = w.d(0)}); }),
    making("LearnedPositionalEncoding", {size("longest", 5), size("width", 3), rate()},
           [](World& w) {
             nn::LearnedPositionalEncoding(w.scope(), w.n(0), w.n(1), {.dropout = w.d(2)});
           }),
    making("AdditiveAttention", {size("query", 3), size("memory", 4), size("width", 2)},
           [](World& w) { nn::AdditiveAttention(w.scope(), w.n(0), w.n(1), w.n(2)); }),
    making("Linear", {size("query", 3), size("memory", 4)},
           [](World& w) { nn::GeneralAttention(w.scope(), w.n(0), w.n(1)); }),
    making("LocationAttention", {size("filters", 3), whole("window", 3, 3, 3).but("7")},
           [](World& w) {
             nn::LocationAttention(w.scope(), 3, 4, 2, {.filters = w.n(0), .window = w.n(1)});
           }),
    making("MultiheadAttention",
           {size("width", 4), whole("heads", 2, 1, 1), size("key_width", 3), size("value_width", 5),
            rate()},
           [](World& w) {
             nn::MultiheadAttention(
                 w.scope(), w.n(0), w.n(1),
                 {.key_width = w.n(2), .value_width = w.n(3), .dropout = w.d(4)});
           }),
    making("TransformerEncoder", {whole("layers", 1, 0, 65536, true)},
           [](World& w) {
             nn::TransformerEncoder(w.scope(), w.i(0), 4,
                                    {.layer = {.heads = 2, .feedforward = 3}});
           }),
    making("TransformerDecoder", {whole("layers", 1, 0, 65536, true)},
           [](World& w) {
             nn::TransformerDecoder(w.scope(), w.i(0), 4,
                                    {.layer = {.heads = 2, .feedforward = 3}});
           }),
    making("TransformerLayer", {size("feedforward", 3)},
           [](World& w) {
             nn::TransformerEncoderLayer(w.scope(), 4, {.heads = 2, .feedforward = w.n(0)});
           }),
    making("MultiheadAttention", {whole("heads", 2, 1, 1), rate()},
           [](World& w) {
             nn::TransformerDecoderLayer(w.scope(), 4,
                                         {.heads = w.n(0), .feedforward = 3, .dropout = w.d(1)});
           }),
};

template <class Cell>
Call making_cell() {
  return making("recurrent cell", {size("in", 3), size("hidden", 4)},
                [](World& w) { Cell(w.scope(), w.n(0), w.n(1)); });
}

template <class Layers>
Call making_layers() {
  return making("RecurrentLayers",
                {size("in", 3), size("hidden", 4), whole("layers", 2, 1, 65536, true), rate(),
                 rate("input_dropout")},
                [](World& w) {
                  Layers(w.scope(), w.n(0), w.n(1),
                         {.layers = w.i(2), .dropout = w.d(3), .input_dropout = w.d(4)});
                });
}

/// A cell around one that is there already.
Call wrapping(const char* function, void (*wrap)(World& w)) {
  Call call = making(function, {rate("rate")}, wrap);
  call.prepare = [](World& w) { w.make(nn::RNNCell(w.scope(), 3, 4)); };
  return call;
}

const Line kMakingRecurrent[] = {
    making_cell<nn::RNNCell>(),
    making_cell<nn::LSTMCell>(),
    making_cell<nn::GRUCell>(),
    making_cell<nn::CoupledLSTMCell>(),
    making_cell<nn::PeepholeLSTMCell>(),
    making_cell<nn::MinimalGatedCell>(),
    making_cell<nn::LayerNormLSTMCell>(),
    making_cell<nn::LayerNormGRUCell>(),
    making_layers<nn::RNN>(),
    making_layers<nn::LSTM>(),
    making_layers<nn::GRU>(),
    wrapping("RecurrentDropout",
             [](World& w) { nn::RecurrentDropout(w.made<nn::RNNCell>(), w.d(0)); }),
    wrapping("StackedCell",
             [](World& w) { nn::StackedCell<nn::RNNCell>({w.made<nn::RNNCell>()}, w.d(0)); }),
    wrapping("Zoneout",
             [](World& w) { nn::Zoneout<nn::RNNCell>(w.made<nn::RNNCell>(), {w.d(0)}); }),
    making("EncoderDecoder",
           {size("source_vocabulary", 7, 1), size("target_vocabulary", 6, 1), size("embedding", 3),
            size("hidden", 2), whole("encoder_layers", 1, 1, 65536, true),
            whole("decoder_layers", 1, 1, 65536, true), whole("pad", 0, 0, 5, true), rate()},
           [](World& w) {
             nn::EncoderDecoder<>(w.scope(), {.source_vocabulary = w.n(0),
                                              .target_vocabulary = w.n(1),
                                              .embedding = w.n(2),
                                              .hidden = w.n(3),
                                              .encoder_layers = w.i(4),
                                              .decoder_layers = w.i(5),
                                              .dropout = w.d(7),
                                              .pad = w.i(6)});
           }),
};

// Calls of layers that are there already.

template <class Layer, class... Arguments>
std::function<void(World&)> made(Arguments... arguments) {
  return [=](World& w) { w.make(Layer(w.scope(), arguments...)); };
}

/// Layers do a part of their work when they record it, so that sizes have to be those of memory.
Argument small(Argument argument) {
  argument.huge = false;
  return argument;
}
Argument input(const char* name, const Shape& shape, int seed = 1, double low = -1,
               double high = 1) {
  return small(array(name, shape, seed, low, high));
}

Argument batch(int seed = 1) { return input("x", {5, 2, 3}, seed).but("axis0+1 axis0=0 axis1*"); }

template <class Layers>
Call running(const char* function) {
  return {function,
          {batch()},
          [](World& w) { return w.made<Layers>()(w.x(0)).outputs; },
          made<Layers>(std::int64_t{3}, std::int64_t{4})};
}

template <class Cell>
Call stepping(const char* function) {
  return {function,
          {input("x", {2, 3}), input("h", {2, 4}, 2)},
          [](World& w) {
            const Cell& cell = w.made<Cell>();
            nn::StateOf<Cell> state;
            nn::for_each_variable(state, [&](Variable& v) { v = w.variables[1]; });
            w.lines.push_back(Location::current());
            return nn::output_of(cell.step(w.variables[0], state, w.lines.back()));
          },
          made<Cell>(std::int64_t{3}, std::int64_t{4})};
}

const Line kCalls[] = {
    Call{"linear",
         {input("x", {2, 3}).but("rank* axis0*")},
         [](World& w) { return w.made<nn::Linear>()(w.x(0)); },
         made<nn::Linear>(std::int64_t{3}, std::int64_t{4})},
    Call{"Embedding",
         {small(ids("ids", {2, 3}, 5)).but("rank* axis*")},
         [](World& w) { return w.made<nn::Embedding>()(w.x(0)); },
         made<nn::Embedding>(std::int64_t{5}, std::int64_t{4})},
    Call{"layer_norm",
         {input("x", {2, 3}).but("rank* axis0*")},
         [](World& w) { return w.made<nn::LayerNorm>()(w.x(0)); },
         made<nn::LayerNorm>(std::int64_t{3})},
    Call{"PositionalEncoding",
         {input("x", {3, 2, 4}).but("rank* axis* float64 bool"), whole("first", 0, 0, 0x1p53)},
         [](World& w) { return w.made<nn::PositionalEncoding>()(w.x(0), w.n(1)); },
         [](World& w) { w.make(nn::PositionalEncoding()); }},
    Call{"LearnedPositionalEncoding",
         {input("x", {3, 2, 4}).but("rank* axis0* axis1* bool"), whole("first", 0, 0, 2)},
         [](World& w) { return w.made<nn::LearnedPositionalEncoding>()(w.x(0), w.n(1)); },
         made<nn::LearnedPositionalEncoding>(std::int64_t{5}, std::int64_t{4})},
    running<nn::RNN>("StackedRNN"),
    running<nn::LSTM>("StackedRNN"),
    running<nn::GRU>("StackedRNN"),
    stepping<nn::RNNCell>("RNNCell"),
    stepping<nn::GRUCell>("GRUCell"),
    stepping<nn::MinimalGatedCell>("MinimalGatedCell"),
    stepping<nn::LSTMCell>("LSTMCell"),
    stepping<nn::CoupledLSTMCell>("CoupledLSTMCell"),
    stepping<nn::PeepholeLSTMCell>("PeepholeLSTMCell"),
    stepping<nn::LayerNormLSTMCell>("LayerNormLSTMCell"),
    stepping<nn::LayerNormGRUCell>("LayerNormGRUCell"),
    Call{"unroll",
         {batch(), whole("length", 3, 0, 5, true)},
         [](World& w) {
           return nn::unroll(w.made<nn::GRUCell>(), w.x(0), {.lengths = {w.i(1), 5}}).outputs;
         },
         made<nn::GRUCell>(std::int64_t{3}, std::int64_t{4})},
    Call{"unroll_steps",
         {batch(), whole("length", 3, 0, 5, true)},
         [](World& w) {
           return nn::unroll_steps(w.made<nn::GRUCell>(), w.x(0), {.lengths = {w.i(1), 5}}).outputs;
         },
         made<nn::GRUCell>(std::int64_t{3}, std::int64_t{4})},
    Call{"bidirectional",
         {batch(), whole("length", 3, 0, 5, true)},
         [](World& w) {
           const auto& cell = w.made<nn::GRUCell>();
           w.lines.push_back(Location::current());
           return nn::bidirectional(cell, cell, w.variables[0], {.lengths = {w.i(1), 5}},
                                    w.lines.back())
               .outputs;
         },
         made<nn::GRUCell>(std::int64_t{3}, std::int64_t{4})},
    Call{"pool_last",
         {input("outputs", {5, 2, 3}).but("rank- axis0+1 axis2* float64 int32 bool"),
          whole("length", 3, 0, 5, true)},
         [](World& w) {
           return nn::pool_last(w.x(0), {.lengths = {w.i(1), 5}});
         }},
    Call{"pool_mean",
         {input("outputs", {5, 2, 3}).but("rank- axis0+1 axis2* float64 bool"),
          whole("length", 3, 0, 5, true)},
         [](World& w) {
           return nn::pool_mean(w.x(0), {.lengths = {w.i(1), 5}});
         }},
    Call{"pool_max",
         {input("outputs", {5, 2, 3}).but("rank- axis0+1 axis2* float64 bool"),
          whole("length", 3, 0, 5, true)},
         [](World& w) {
           return nn::pool_max(w.x(0), {.lengths = {w.i(1), 5}});
         }},
};

/// Attention with the memory that `prepare` made.
template <class Attention>
struct Prepared {
  Attention attention;
  nn::AttentionMemory memory;
};

template <class Attention, class... Sizes>
Call asking(const char* function, std::int64_t query, Sizes... sizes) {
  return {function,
          {input("query", {2, query})},
          [](World& w) {
            auto& own = w.made<Prepared<Attention>>();
            return own.attention(w.x(0), own.memory).context;
          },
          [=](World& w) {
            const Attention attention(w.scope(), sizes...);
            const Variable values = w.tape.input(array("", {2, 3, 4}, 7).value);
            w.make(Prepared<Attention>{
                attention, attention.prepare(values, w.tape.input(mask("", {2, 3}).value))});
          }};
}

template <class Attention, class... Sizes>
Call preparing(const char* function, Sizes... sizes) {
  return {function,
          {input("values", {2, 3, 4}, 2).but("axis2* float64 bool"),
           small(mask("mask", {2, 3})).but("undefined moved-from float32")},
          [](World& w) { return w.made<Attention>().prepare(w.x(0), w.x(1)).keys; },
          made<Attention>(sizes...)};
}

const Line kAttention[] = {
    asking<nn::AdditiveAttention>("AdditiveAttention", 5, 5, 4, 3),
    asking<nn::GeneralAttention>("GeneralAttention", 5, 5, 4),
    preparing<nn::AdditiveAttention>("AdditiveAttention", 5, 4, 3),
    preparing<nn::GeneralAttention>("GeneralAttention", 5, 4),
    Call{"MultiheadAttention",
         {input("query", {3, 2, 4}).but("axis0*"), input("memory", {5, 2, 4}, 2).but("axis0* bool"),
          whole("length", 3, 0, 5, true)},
         [](World& w) {
           w.lines.push_back(Location::current());
           return w
               .made<nn::MultiheadAttention>()(w.variables[0], w.variables[1], w.variables[1],
                                               {.key_lengths = {w.i(2), 5}}, w.lines.back())
               .output;
         },
         made<nn::MultiheadAttention>(std::int64_t{4}, std::int64_t{2})},
    Call{"TransformerEncoder",
         {input("x", {3, 2, 4}).but("axis0+1 bool"), whole("length", 2, 0, 3, true)},
         [](World& w) {
           return w.made<nn::TransformerEncoder>()(w.x(0), {.lengths = {w.i(1), 3}});
         },
         [](World& w) {
           w.make(
               nn::TransformerEncoder(w.scope(), 2, 4, {.layer = {.heads = 2, .feedforward = 3}}));
         }},
    Call{"TransformerDecoder",
         {input("x", {3, 2, 4}).but("axis0+1 bool"),
          input("memory", {5, 2, 4}, 2).but("axis0* bool"), whole("length", 2, 0, 3, true)},
         [](World& w) {
           return w.made<nn::TransformerDecoder>()(w.x(0), w.x(1), {.lengths = {w.i(2), 3}});
         },
         [](World& w) {
           w.make(
               nn::TransformerDecoder(w.scope(), 2, 4, {.layer = {.heads = 2, .feedforward = 3}}));
         }},
};

const Line kSequenceLosses[] = {
    Call{"ctc_loss",
         {input("log_probabilities", {5, 2, 4}, 1, -3, -0.1).but("float64 axis0+1 axis2+1"),
          whole("blank", 0, 0, 0, true), whole("length", 4, 0, 5, true),
          whole("label", 1, 1, 3, true)},
         [](World& w) {
           const Tensor targets(Shape{2, 2}, {w.i(3), 2, 1, 3});
           w.lines.push_back(Location::current());
           return nn::ctc_loss(w.variables[0], targets,
                               {.input_lengths = {w.i(2), 5}, .blank = w.i(1)}, w.lines.back());
         }},
    Call{"Crf",
         {input("emissions", {3, 2, 4}), whole("tag", 1, 0, 3, true),
          whole("length", 2, 0, 3, true)},
         [](World& w) {
           const Tensor tags(Shape{3, 2}, {w.i(1), 2, 1, 3, 0, 1});
           w.lines.push_back(Location::current());
           return w.made<nn::Crf>().loss(w.variables[0], tags, {.lengths = {w.i(2), 3}},
                                         w.lines.back());
         },
         made<nn::Crf>(std::int64_t{4})},
};

}  // namespace
