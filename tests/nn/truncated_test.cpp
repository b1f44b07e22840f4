// Truncated back-propagation: against detached chunks and unbroken walks, shards, resets, values.
#include <unroll/nn/nn.h>

#include <set>

#include <unroll/autograd/error.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 3, kIn = 2, kHidden = 4;

/// A chunk of the text, [first, first + steps) of its sequences.
struct Chunk {
  std::int64_t first, steps;
  nn::Lengths lengths = {};
};
/// The last one is shorter, and some sequences end in it.
const std::vector<Chunk> kChunks{{0, 4}, {4, 4}, {8, 3, {3, 1, 2}}};
constexpr std::int64_t kSteps = 11;

Tensor text(std::int64_t first, std::int64_t steps, std::int64_t begin = 0,
            std::int64_t end = kBatch) {
  const Tensor all = random_uniform({kSteps, kBatch, kIn}, 8, -1, 1, Dtype::float64);
  Tape tape;
  const Variable x = slice(tape.input(all), 0, first, first + steps);
  return slice(x, 1, begin, end).value();
}

/// Layers of different widths, a context that they do not see, and a part that is not there.
struct Memory {
  nn::LSTM::States layers;
  std::vector<Variables> averages;
  Variable absent;
};

struct Model {
  nn::ParameterSet parameters{5, Dtype::float64};
  nn::LSTM lstm{parameters.scope("lstm"), kIn, {3, kHidden}};
  nn::Linear mix{parameters.scope("mix"), kHidden, kHidden};

  Memory initial_state(const Variable& like, std::int64_t batch) const {
    return {lstm.initial_state(like, batch),
            {{nn::zeros_like(like, {batch, kHidden})}, {}},
            Variable()};
  }

  /// The loss of a chunk and the state after it.
  nn::Truncated<Memory> operator()(const Variable& x, const nn::Lengths& lengths,
                                   const std::optional<Memory>& state) const {
    const Memory before = state ? *state : initial_state(x, x.shape()[1]);
    const auto run = lstm(x, {.lengths = lengths, .initial_state = before.layers});
    const Variable average = 0.5 * before.averages[0][0] + tanh(mix(run.last.back().h));
    return {sum(square(run.outputs)) + sum(average), {run.last, {{average}, {}}, before.absent}};
  }
};

void check_near(const Gradients& a, const Gradients& b, const nn::ParameterSet& parameters) {
  for (const nn::Parameter& p : parameters) {
    INFO(p.name());
    const Tensor x = a[p], y = b[p];
    for (std::int64_t i = 0; i < x.size(); ++i) {
      CHECK(std::abs(x.at(i) - y.at(i)) <= 1e-12 * std::max(1.0, std::abs(y.at(i))));
    }
  }
}

/// All chunks on one tape of its own each: the sums of losses and gradients.
LossAndGradients by_chunks(const Model& model, nn::TruncatedBPTT<Memory>& bptt, Tape& tape) {
  LossAndGradients total{0, Gradients(model.parameters)};
  for (const Chunk& chunk : kChunks) {
    tape.reset();
    const LossAndGradients part =
        bptt.gradients(tape, model.parameters, [&](const std::optional<Memory>& state) {
          return model(tape.input(text(chunk.first, chunk.steps)), chunk.lengths, state);
        });
    total.loss += part.loss;
    total.gradients.add(part.gradients);
  }
  return total;
}

std::vector<Tensor> values_of(const nn::TruncatedBPTT<Memory>& bptt) {
  std::vector<Tensor> result;
  for (const auto& [name, value] : bptt.values()) result.push_back(value);
  return result;
}

bool identical(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return x.identical(y); });
}

}  // namespace

TEST_CASE("Chunks give the gradients of one program with detached states", "[nn]") {
  const Model model;
  Tape tape;
  std::optional<Memory> state;
  Variable loss;
  for (const Chunk& chunk : kChunks) {
    const auto [part, last] =
        model(tape.input(text(chunk.first, chunk.steps)), chunk.lengths, state);
    loss = loss.defined() ? loss + part : part;
    state = nn::map_state(last, [](const Variable& v) { return v.defined() ? detach(v) : v; });
  }
  const Gradients expected = gradients(loss, model.parameters);

  Tape other;
  nn::TruncatedBPTT bptt(model);
  const LossAndGradients found = by_chunks(model, bptt, other);
  CHECK(found.loss == Approx(loss.item()).epsilon(1e-12));
  check_near(found.gradients, expected, model.parameters);
  const auto last = nn::defined_variables(*state);
  const auto carried = values_of(bptt);
  REQUIRE(carried.size() == last.size());
  for (std::size_t k = 0; k < last.size(); ++k) {
    for (std::int64_t i = 0; i < carried[k].size(); ++i) {
      CHECK(std::abs(carried[k].at(i) - last[k].value().at(i)) <= 1e-12);
    }
  }
}

TEST_CASE("Chunks compute what an unbroken walk computes", "[nn]") {
  nn::ParameterSet parameters(5, Dtype::float64);
  const nn::GRU gru(parameters.scope(), kIn, kHidden, {.layers = 2});
  Tape whole({.training = false});
  const auto expected = gru(whole.input(text(0, kSteps)), {.lengths = {11, 9, 10}});
  Tape tape({.training = false});
  nn::TruncatedBPTT bptt(gru);
  double loss = 0;
  for (const Chunk& chunk : kChunks) {
    tape.reset();
    loss += bptt.loss(tape, [&](const auto& state) {
      const auto run = gru(tape.input(text(chunk.first, chunk.steps)),
                           {.lengths = chunk.lengths, .initial_state = state});
      return nn::Truncated{sum(square(run.outputs)), run.last};
    });
  }
  CHECK(loss == Approx(sum(square(expected.outputs)).item()).epsilon(1e-12));
  const auto last = bptt.state(tape);
  REQUIRE(last.has_value());
  for (std::int64_t i = 0; i < kBatch * kHidden; ++i) {
    CHECK(last->back().value().at(i) == Approx(expected.last.back().value().at(i)));
  }
}

TEST_CASE("Shards carry their own states, and an empty shard keeps its own", "[nn]") {
  const Model model;
  Tape tape;
  nn::TruncatedBPTT whole(model), sharded(model);
  const LossAndGradients expected = by_chunks(model, whole, tape);
  Parallel parallel({.shards = 3, .threads = 2});
  LossAndGradients total{0, Gradients(model.parameters)};
  double loss = 0;
  nn::TruncatedBPTT evaluation(model);
  for (const Chunk& chunk : kChunks) {
    const auto record = [&](Tape& own, int shard, const std::optional<Memory>& state) {
      if (shard == 2) return nn::Truncated<Memory>{};
      const std::int64_t begin = shard == 0 ? 0 : 1, end = shard == 0 ? 1 : kBatch;
      std::vector<std::int32_t> lengths = chunk.lengths.values();
      if (chunk.lengths.given()) lengths = {lengths.begin() + begin, lengths.begin() + end};
      return model(own.input(text(chunk.first, chunk.steps, begin, end)),
                   chunk.lengths.given() ? nn::Lengths(lengths) : nn::Lengths(), state);
    };
    const LossAndGradients part = sharded.gradients(parallel, model.parameters, record);
    total.loss += part.loss;
    total.gradients.add(part.gradients);
    loss += evaluation.loss(parallel, record);
  }
  CHECK(total.loss == Approx(expected.loss).epsilon(1e-12));
  CHECK(loss == Approx(expected.loss).epsilon(1e-12));
  check_near(total.gradients, expected.gradients, model.parameters);
  CHECK(identical(values_of(sharded), values_of(evaluation)));
  CHECK(sharded.values().contains("1.0"));
  CHECK_FALSE(sharded.values().contains("2.0"));
  CHECK(sharded.state(tape, 1)->layers[1].h.shape() == Shape{2, kHidden});

  const auto before = values_of(sharded);
  const auto fails_late = [&](Tape& own, int shard, const std::optional<Memory>& state) {
    if (shard == 1) throw ValueError("no more text");
    return model(own.input(text(0, 2, 0, 1)), {}, state);
  };
  CHECK_THROWS_AS(sharded.gradients(parallel, model.parameters, fails_late), ValueError);
  CHECK(identical(values_of(sharded), before));
  CHECK_THROWS_AS(sharded.gradients(tape, model.parameters,
                                    [&](const std::optional<Memory>& state) {
                                      return model(tape.input(text(0, 2)), {}, state);
                                    }),
                  ValueError);
  sharded.reset();
  CHECK(sharded.values().empty());
  CHECK_FALSE(sharded.state(tape, 1).has_value());
}

TEST_CASE("Rows begin anew as their cell says, and teach it how to", "[nn]") {
  nn::ParameterSet parameters(5, Dtype::float64);
  const nn::LearnedState learned(parameters.scope("begin"),
                                 nn::GRUCell(parameters.scope("gru"), kIn, kHidden),
                                 nn::init::normal());
  const nn::RecurrentDropout cell(learned, 0.5);
  nn::TruncatedBPTT bptt(cell);
  Tape tape;
  const auto run = [&](const auto& state) {
    const auto walked = nn::unroll(cell, tape.input(text(0, 4)), {.initial_state = state});
    return nn::Truncated{sum(square(walked.outputs)), walked.last};
  };
  const nn::Parameter& initial = learned.initial[0];
  CHECK(bptt.gradients(tape, parameters, run).gradients.contains(initial));
  const std::vector<std::int32_t> rows{2, 0}, outside{3};
  CHECK_THROWS_AS(bptt.reset(outside), ValueError);
  tape.reset(1);
  const auto old = nn::state_variables(*bptt.state(tape));
  bptt.reset(rows);
  const auto named = bptt.values();
  const auto fresh = nn::state_variables(*bptt.state(tape));
  const Tensor mask = fresh[1].value(), old_mask = old[1].value();
  for (std::int64_t i = 0; i < kHidden; ++i) {
    CHECK(fresh[0].value().at(i) == initial.value().at(i));
    CHECK(fresh[0].value().at(kHidden + i) == old[0].value().at(kHidden + i));
    CHECK(fresh[0].value().at(2 * kHidden + i) == initial.value().at(i));
    CHECK((mask.at(i) == 0 || mask.at(i) == 2));
    CHECK((mask.at(kHidden + i) == 0 || mask.at(kHidden + i) == 2));
  }
  CHECK_FALSE(mask.identical(old_mask));
  tape.reset();
  const Gradients g = bptt.gradients(tape, parameters, run).gradients;
  CHECK(g.contains(initial));
  tape.reset();
  CHECK_FALSE(bptt.gradients(tape, parameters, run).gradients.contains(initial));

  nn::TruncatedBPTT restored(cell);
  restored.set_values(named);
  tape.reset();
  const Gradients again = restored.gradients(tape, parameters, run).gradients;
  CHECK(again[initial].identical(g[initial]));

  nn::TruncatedBPTT<Variable> without_cell;
  CHECK_THROWS_AS(without_cell.reset(rows), StateError);
}

TEST_CASE("Carried values go through a checkpoint", "[nn]") {
  const Model model;
  Tape tape;
  nn::TruncatedBPTT bptt(model), restored(model);
  by_chunks(model, bptt, tape);
  const auto named = bptt.values();
  CHECK(named.size() == 5);
  CHECK(named.at("0.4").shape() == Shape{kBatch, kHidden});
  restored.set_values(named);
  CHECK(identical(values_of(restored), values_of(bptt)));
  tape.reset();
  const Memory state = *restored.state(tape);
  CHECK(state.layers.size() == 2);
  CHECK_FALSE(state.absent.defined());
  const LossAndGradients a = by_chunks(model, bptt, tape), b = by_chunks(model, restored, tape);
  CHECK(a.loss == b.loss);
  for (const nn::Parameter& p : model.parameters) {
    CHECK(a.gradients[p].identical(b.gradients[p]));
  }

  const auto before = values_of(restored);
  for (const char* name : {"", "0", "0.", ".0", "a.0", "0.b", "0.0.0", "0.9", "-1.0",
                           "18446744073709551615.0", "0.anew"}) {
    INFO(name);
    CHECK_THROWS_AS(restored.set_values({{name, Tensor()}}), ValueError);
  }
  CHECK(identical(values_of(restored), before));
  nn::TruncatedBPTT<Memory> without_model;  // cannot know the number of layers
  CHECK_THROWS_AS(without_model.set_values(named), ValueError);
  nn::TruncatedBPTT<nn::LSTMCell::State> plain;
  plain.set_values({{"0.0", named.at("0.0")}, {"0.1", named.at("0.1")}});
  CHECK(plain.state(tape)->c.value().identical(named.at("0.1")));
  const Tensor flags(Shape{kBatch}, Dtype::bool_);
  CHECK_THROWS_AS(plain.set_values({{"0.0", named.at("0.0")}, {"0.anew", flags}}), ValueError);
  auto short_of_flags = named;
  short_of_flags["0.anew"] = Tensor(Shape{kBatch - 1}, Dtype::bool_);
  CHECK_THROWS_AS(restored.set_values(short_of_flags), ValueError);
  restored.set_values({});
  CHECK(restored.values().empty());
}

TEST_CASE("A checkpoint of a batch smaller than the number of shards", "[nn]") {
  nn::ParameterSet parameters(5);
  const nn::GRU gru(parameters.scope(), kIn, kHidden);
  using States = nn::GRU::States;
  Parallel parallel({.shards = 3, .threads = 1});
  const auto chunk = [&](Tape& tape, int shard, const std::optional<States>& state) {
    if (shard != 1) return nn::Truncated<States>{};
    const auto run = gru(tape.input(text(0, 2).to(Dtype::float32)), {.initial_state = state});
    return nn::Truncated{sum(square(run.outputs)), run.last};
  };
  nn::TruncatedBPTT bptt(gru), restored(gru);
  bptt.gradients(parallel, parameters, chunk);
  restored.set_values(bptt.values());
  CHECK(restored.loss(parallel, chunk) == bptt.loss(parallel, chunk));
  Parallel fewer({.shards = 1, .threads = 1}), more({.shards = 4, .threads = 1});
  CHECK_THROWS_AS(restored.loss(more, chunk), ValueError);
  restored.set_values(bptt.values());
  CHECK_THROWS_AS(restored.loss(fewer, chunk), ValueError);

  const std::vector<std::int32_t> rows{0};
  CHECK_THROWS_AS(bptt.reset(rows, 3), ValueError);
  CHECK_THROWS_AS(bptt.reset(rows, -1), ValueError);
  bptt.reset(rows, 2);  // without a sequence
}

TEST_CASE("Masks are drawn anew for every chunk, memory is carried", "[nn]") {
  nn::ParameterSet parameters{5, Dtype::float64};
  const nn::RecurrentDropout cell(nn::GRUCell(parameters.scope("cell"), kIn, kHidden), 0.5);
  nn::TruncatedBPTT bptt(cell);
  const auto chunk = [&](Tape& tape, std::int64_t first, const auto& state) {
    const auto run = nn::unroll(cell, tape.input(text(first, 3)), {.initial_state = state});
    return nn::Truncated{sum(square(run.outputs)), run.last};
  };
  const auto values = [](const Variable& v) {
    const Tensor value = v.value();
    const auto data = value.data<double>();
    return std::vector<double>(data.begin(), data.end());
  };
  // Evaluation leaves a mask of ones behind; the training that goes on from it drops all the same.
  Tape evaluation({.training = false});
  bptt.loss(evaluation, [&](const auto& state) { return chunk(evaluation, 0, state); });
  const std::vector<double> remembered = values(bptt.state(evaluation)->cell);
  std::set<std::vector<double>> masks;
  for (const std::uint64_t seed : {1, 2, 3}) {
    Tape tape({.seed = seed});
    const auto state = bptt.state(tape);
    CHECK(values(state->cell) == remembered);
    const std::vector<double> mask = values(state->mask.value);
    CHECK(std::ranges::count(mask, 0.0) + std::ranges::count(mask, 2.0) == kBatch * kHidden);
    masks.insert(mask);
  }
  CHECK(masks.size() == 3);
}
