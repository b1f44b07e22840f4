#include <unroll/nn/multihead_attention.h>

#include <limits>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/gradients.h>
#include <unroll/nn/init.h>
#include <unroll/nn/state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 2, kSteps = 3, kWidth = 4;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("Attention of many heads: gradients", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::MultiheadAttention attention(parameters.scope("a"), kWidth, 2, {.key_width = 3});
  const nn::Scope sources = parameters.scope("sources");
  const auto query = sources.parameter("query", {2, kBatch, kWidth}, nn::init::normal());
  const auto key = sources.parameter("key", {kSteps, kBatch, 3}, nn::init::normal());
  const auto value = sources.parameter("value", {kSteps, kBatch, kWidth}, nn::init::normal());
  const Tensor a = testing::uniform({2, kBatch, kWidth}), b = testing::uniform({kBatch, 2, 2, 3});
  const auto report = gradcheck(parameters,
                                [&](Tape& tape) {
                                  const auto [output, weights] =
                                      attention(tape.use(query), tape.use(key), tape.use(value),
                                                {.key_lengths = {3, 1}, .causal = true});
                                  return sum(output * tape.input(a)) + sum(weights * tape.input(b));
                                },
                                {.exhaustive_limit = 0, .directions = 24});
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("Attention of many heads: what is hidden has no influence, a blind row is zero", "[nn]") {
  for (const bool batch_first : {false, true}) {
    nn::ParameterSet parameters(1, Dtype::float64);
    const nn::MultiheadAttention attention(parameters.scope(), kWidth, 2,
                                           {.batch_first = batch_first});
    const Tensor query = testing::uniform({2, kBatch, kWidth});
    const Shape shape = batch_first ? Shape{kBatch, kSteps, kWidth} : Shape{kSteps, kBatch, kWidth};
    Tensor memory = testing::uniform(shape), poisoned = memory;
    for (std::int64_t s = 0; s < kSteps; ++s) {  // the lengths are 0 and 2
      for (std::int64_t b = 0; b < kBatch; ++b) {
        const std::int64_t step = batch_first ? b * kSteps + s : s * kBatch + b;
        if (b == 1 && s < 2) continue;
        for (std::int64_t i = 0; i < kWidth; ++i) {
          poisoned.mutable_data<double>()[static_cast<std::size_t>(step * kWidth + i)] = kNaN;
        }
      }
    }
    std::vector<Tensor> outputs;
    std::vector<Gradients> found;
    Tape tape;
    for (const Tensor& values : {memory, poisoned}) {
      const Variable m = tape.input(values);
      const auto [output, weights] =
          attention(tape.input(query), m, m, {.key_lengths = nn::Lengths{0, 2}});
      outputs.push_back(output.value());
      found.push_back(gradients(sum(square(output)), parameters));
      const Tensor w = weights.value();  // [batch, heads, 2, steps]
      REQUIRE(w.shape() == Shape{kBatch, 2, 2, kSteps});
      for (std::int64_t i = 0; i < w.size(); ++i) {
        if (i < w.size() / 2 || i % kSteps == 2) CHECK(w.at(i) == 0);
      }
      const Tensor average = mean(weights, 1).value();
      for (std::int64_t t = 0; t < 2; ++t) {
        double total = 0;
        for (std::int64_t s = 0; s < kSteps; ++s) total += average.at((2 + t) * kSteps + s);
        CHECK(total == Approx(1));
      }
    }
    CHECK(outputs[0].identical(outputs[1]));
    for (std::int64_t i = 0; i < kWidth; ++i) CHECK(outputs[0].at(i) == 0);  // the bias is 0
    for (const auto& p : parameters) CHECK(found[0][p].identical(found[1][p]));
  }
}

TEST_CASE("Attention of many heads: keys that come one by one", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::MultiheadAttention attention(parameters.scope(), kWidth, 2);
  Tape tape;
  const Variable x = tape.input(testing::uniform({kSteps, kBatch, kWidth}));
  const auto [whole, weights] = attention(x, x, x, {.causal = true});
  nn::MultiheadMemory memory = attention.empty(x, kBatch);
  for (std::int64_t t = 0; t < kSteps; ++t) {
    const Variable step = slice(x, 0, t, t + 1);
    memory = nn::extended(memory, attention.prepare(step, step));
    const Tensor output = attention.attend(step, memory).output.value();
    const Tensor expected = slice(whole, 0, t, t + 1).value();
    for (std::int64_t i = 0; i < output.size(); ++i) {
      CHECK(output.at(i) == Approx(expected.at(i)).epsilon(1e-12));
    }
  }
  // Two steps at once behind one see the same as in a whole sequence.
  const Variable first = slice(x, 0, 0, 1), rest = slice(x, 0, 1, 3);
  const auto all = nn::extended(attention.prepare(first, first), attention.prepare(rest, rest));
  const Tensor output = attention.attend(rest, all, {.causal = true}).output.value();
  const Tensor expected = slice(whole, 0, 1, 3).value();
  for (std::int64_t i = 0; i < output.size(); ++i) {
    CHECK(output.at(i) == Approx(expected.at(i)).epsilon(1e-12));
  }
  CHECK(nn::state_variables(memory).size() == 3);
  const auto masked = attention.prepare(x, x, nn::Lengths{1, 3});
  CHECK_THROWS_AS(nn::extended(masked, memory), StateError);
}

TEST_CASE("Attention of many heads: dropout of the weights, while training", "[nn]") {
  nn::ParameterSet parameters(1, Dtype::float64);
  const nn::MultiheadAttention attention(parameters.scope(), kWidth, 2, {.dropout = 0.5});
  const Tensor x = testing::uniform({kSteps, kBatch, kWidth});
  const auto output = [&](bool training, std::uint64_t seed) {
    Tape tape({.training = training, .seed = seed});
    const Variable v = tape.input(x);
    return attention(v, v, v).output.value();
  };
  CHECK(output(true, 1).identical(output(true, 1)));
  CHECK_FALSE(output(true, 1).identical(output(true, 2)));
  CHECK(output(false, 1).identical(output(false, 2)));
}

TEST_CASE("Attention of many heads says what is wrong", "[nn]") {
  nn::ParameterSet parameters(1);
  CHECK_THROWS_AS(nn::MultiheadAttention(parameters.scope("a"), 5, 2), ValueError);
  CHECK_THROWS_AS(nn::MultiheadAttention(parameters.scope("b"), 4, 0), ValueError);
  const nn::MultiheadAttention attention(parameters.scope("c"), 4, 2);
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{3, 2, 4}));
  CHECK_THROWS_AS(attention(x, x, x, {.key_lengths = {1, 2, 3}}), ShapeError);
  CHECK_THROWS_AS(attention(x, x, x, {.key_lengths = {1, 4}}), ValueError);
  const nn::MultiheadAttention wide(parameters.scope("d"), 4, 2,
                                    {.key_width = 3, .batch_first = true});
  const Variable flat = tape.input(Tensor(Shape{3, 4})), more = tape.input(Tensor(Shape{5, 2, 4}));
  const auto says = [](const std::function<void()>& call, const std::string& what) {
    const std::string message = thrown_message(call);
    INFO(message);
    CHECK(message.starts_with("tests/nn/multihead_attention_test.cpp:"));
    CHECK(message.ends_with(": MultiheadAttention: " + what));
  };
  says([&] { attention(flat, x, x); }, "got the query [3, 4]; expected [time, batch, 4]");
  says([&] { wide(x, x, x); }, "got the key [3, 2, 4]; expected [batch, time, 3]");
  says([&] { attention(x, x, flat); }, "got the value [3, 4]; expected [time, batch, 4]");
  says([&] { attention(x, x, more); }, "got keys [3, 2, 4] and values [5, 2, 4]; expected as many");
}
