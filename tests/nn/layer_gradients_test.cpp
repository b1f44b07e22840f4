// Gradients of every layer: by its inputs and parameters, of both orders, over batches of all
// kinds; and how they add up.
#include <unroll/autograd/gradcheck.h>
#include <unroll/tests/nn/sequence_run.h>
#include <unroll/tests/support/accumulation.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Lengths of a batch, its steps, and the size of its numbers.
struct Sample {
  std::int64_t steps;
  std::vector<std::int32_t> lengths;
  double size = 1;
};
const std::vector<Sample> kSamples{
    {0, {}},     {0, {0}},          {1, {1}},          {1, {0}},        {3, {}},
    {3, {3}},    {1, {1, 0, 1}},    {3, {1, 3}},       {4, {2, 0, 4}},  {4, {4, 4, 4}},
    {5, {0, 0}}, {2, {2, 1, 2, 1}}, {3, {3, 2}, 1e-2}, {3, {3, 2}, 10},
};

RaggedPair batch_of(const Sample& sample) {
  Ragged in{{}, sample.lengths, sample.steps};
  for (std::size_t b = 0; b < sample.lengths.size(); ++b) in.keys.push_back(mix(7, b));
  Ragged out = in;
  std::ranges::reverse(out.lengths);
  return {in, out};
}

/// A model over a batch whose inputs are parameters, too.
struct Trained {
  const SequenceModel& model;
  RaggedPair batch;
  ParameterSet parameters{9, Dtype::float64};
  SequenceFunction function;
  Parameter x, y;

  Trained(const SequenceModel& of, const Sample& sample)
      : model(of),
        batch(batch_of(sample)),
        function(model.make(parameters.scope("model"))),
        x(create("x", batch.in, sample.size)),
        y(create("y", batch.out, sample.size)) {}

  Variable loss(Tape& tape) const {
    const SequenceCall call{tape, tape.use(x), tape.use(y), batch};
    // The second term is for what has no gradient.
    return weighed_loss(call, function(call)) + 0.25 * (sum(call.x) + sum(call.y));
  }
  /// A random contraction of the gradients of the loss.
  Variable derivative(Tape& tape) const {
    Variables wrt;
    for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
    const Variables of{loss(tape)}, one{tape.constant(1, Dtype::float64)};
    Variable total = tape.constant(0, Dtype::float64);
    for (const Variable& g : vector_jacobian_product(of, one, wrt)) {
      if (g.defined()) total = total + sum(g * tape.input(random_normal(g.shape(), g.index())));
    }
    return total + 0.25 * (sum(wrt[wrt.size() - 2]) + sum(wrt.back()));
  }

 private:
  Parameter create(const std::string& name, const Ragged& side, double size) {
    Tensor values = side.values(kWidth, Dtype::float64);
    for (double& value : values.mutable_data<double>()) value *= size;
    return parameters.create(name, values);
  }
};

}  // namespace

TEST_CASE("gradients of all layers", "[nn][gradcheck]") {
  // Along random directions; a mistake shows along nearly every one.
  const GradcheckOptions options{.exhaustive_limit = 0, .directions = cases(2, 12)};
  int first = 0, second = 0;
  for (const SequenceModel& model : sequence_models()) {
    for (const Sample& sample : kSamples) {
      const Trained trained(model, sample);
      INFO(model.name << " over [" << sample.steps << ", " << sample.lengths.size()
                      << "], numbers of size " << sample.size);
      const auto report = gradcheck(
          trained.parameters, [&](Tape& t) { return trained.loss(t); }, options);
      INFO(report.message);
      CHECK(report.ok);
      ++first;
      const auto again = gradcheck(
          trained.parameters, [&](Tape& t) { return trained.derivative(t); }, options);
      INFO("second order: " << again.message);
      CHECK(again.ok);
      ++second;
    }
  }
  CHECK(kSamples.size() >= 12);
  CHECK(first >= 1400);
  CHECK(second >= 1400);
}

TEST_CASE("gradients of all layers add up, and change nothing they read", "[nn]") {
  int checked = 0;
  for (const SequenceModel& model : sequence_models()) {
    for (const Sample& sample : kSamples) {
      INFO(model.name << " over [" << sample.steps << ", " << sample.lengths.size() << "]");
      const Trained trained(model, sample);
      check_accumulation(trained.parameters, [&](Tape& tape, Variables& read) {
        const Variable loss = trained.loss(tape);
        for (const Parameter& p : trained.parameters) read.push_back(tape.use(p));
        return loss;
      });
      ++checked;
    }
  }
  CHECK(checked >= 1400);
}
