// TapeOptions::bf16: which products round their operands, how far results move, and what does not
// change: parameters, float64, the bits for any number of threads.
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Two factors, each rounded to 8 bits of mantissa, move a product by so much at most.
const double kRounding = std::ldexp(1.0, -8);

Tensor numbers(const Shape& shape, std::uint64_t seed) {
  return random_uniform(shape, seed, -1, 1, Dtype::float32);
}

using Function = std::function<Variable(std::span<const Variable>)>;

Tensor value_of(const TapeOptions& options, const Function& f, const std::vector<Tensor>& inputs) {
  Tape tape(options);
  Variables x;
  for (const Tensor& input : inputs) x.push_back(tape.input(input));
  const Variable y = f(x);
  evaluate({y});
  return y.value();
}

/// The same function on doubles.
Tensor exact(const Function& f, std::vector<Tensor> inputs) {
  for (Tensor& input : inputs) input = input.to(Dtype::float64);
  return value_of({}, f, inputs);
}

std::vector<Tensor> magnitudes(std::vector<Tensor> inputs) {
  for (Tensor& input : inputs) {
    for (float& x : input.mutable_data<float>()) x = std::abs(x);
  }
  return inputs;
}

/// The largest error, in units of what the same function makes of the operands' magnitudes.
double relative_error(const Tensor& found, const Function& f, const std::vector<Tensor>& inputs) {
  const Tensor truth = exact(f, inputs), scale = exact(f, magnitudes(inputs));
  REQUIRE(found.shape() == truth.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < truth.size(); ++i) {
    const double error = std::abs(found.at(i) - truth.at(i)) / scale.at(i);
    worst = error <= worst ? worst : error;  // NaN is the worst
  }
  return worst;
}

double distance(const Tensor& expected, const Tensor& found) {
  REQUIRE(expected.shape() == found.shape());
  double difference = 0, norm = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(found.at(i) - expected.at(i), 2);
    norm += std::pow(expected.at(i), 2);
  }
  return std::sqrt(difference / norm);
}

struct Step {
  Tensor loss;
  std::vector<Tensor> gradients;
};

Step lstm_step(Tape& tape, const ParameterSet& parameters) {
  tape.reset();
  const Variable loss = lstm_loss(tape, parameters, 7, 5);
  const Gradients found = gradients(loss, parameters);
  Step step{loss.value(), {}};
  for (const Parameter& parameter : parameters) step.gradients.push_back(found[parameter]);
  return step;
}

bool identical(const Step& a, const Step& b) {
  bool same = a.loss.identical(b.loss);
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    same = same && a.gradients[i].identical(b.gradients[i]);
  }
  return same;
}

/// Where passes are off or the tape is eager, products are rounded all the same.
std::vector<TapeOptions> ways_to_run() {
  std::vector<TapeOptions> ways{{}, {.eager = true}};
  ways.push_back({.passes = {.pack = false}});
  ways.push_back({.passes = {false, false, false, false, false, false, false}});
  for (TapeOptions& options : ways) options.bf16 = true;
  return ways;
}

}  // namespace

TEST_CASE("bf16: products of every layout, within the rounding of their operands", "[bf16]") {
  if (!has_bf16()) return;
  struct Case {
    const char* what;
    Function f;
    std::vector<Shape> shapes;
  };
  using X = std::span<const Variable>;
  const std::vector<Case> cases{
      {"a b", [](X x) { return matmul(x[0], x[1]); }, {{13, 37}, {37, 21}}},
      {"a^T b", [](X x) { return matmul(transpose(x[0]), x[1]); }, {{37, 13}, {37, 21}}},
      {"a b^T", [](X x) { return matmul(x[0], transpose(x[1])); }, {{13, 37}, {21, 37}}},
      {"a^T b^T",
       [](X x) { return matmul(transpose(x[0]), transpose(x[1])); },
       {{37, 13}, {21, 37}}},
      {"row", [](X x) { return matmul(x[0], x[1]); }, {{37}, {37, 21}}},
      {"tall", [](X x) { return matmul(x[0], x[1]); }, {{3, 5, 37}, {37, 21}}},
      {"affine", [](X x) { return affine(x[0], x[1], x[2]); }, {{13, 37}, {37, 21}, {21}}},
      {"linear", [](X x) { return linear(x[0], x[1], x[2]); }, {{13, 37}, {21, 37}, {21}}},
      {"two of one matrix",
       [](X x) { return matmul(x[0], x[1]) + matmul(x[0] * x[0], x[1]); },
       {{30, 37}, {37, 21}}}};
  for (const Case& c : cases) {
    INFO(c.what);
    std::vector<Tensor> inputs;
    for (const Shape& shape : c.shapes) inputs.push_back(numbers(shape, inputs.size() + 1));
    CHECK(relative_error(value_of({}, c.f, inputs), c.f, inputs) < 1e-6);
    const Tensor rounded = value_of({.bf16 = true}, c.f, inputs);
    const double error = relative_error(rounded, c.f, inputs);
    CHECK(error < kRounding);
    CHECK(error > 1e-5);  // they were rounded
    for (const TapeOptions& options : ways_to_run()) {
      CHECK(rounded.identical(value_of(options, c.f, inputs)));
    }
  }
}

TEST_CASE("bf16: factors of few bits lose nothing", "[bf16]") {
  if (!has_bf16()) return;
  std::vector<float> few, matrix;
  for (int i = 0; i < 6 * 40; ++i) few.push_back(static_cast<float>(i * 7 % 31 - 15));
  for (int i = 0; i < 40 * 9; ++i) matrix.push_back(static_cast<float>(i * 5 % 29 - 14) / 4);
  const std::vector<Tensor> inputs{Tensor(Shape{6, 40}, few), Tensor(Shape{40, 9}, matrix)};
  const auto f = [](std::span<const Variable> x) { return matmul(x[0], x[1]); };
  CHECK(value_of({.bf16 = true}, f, inputs).identical(value_of({}, f, inputs)));
}

TEST_CASE("bf16: a row has the same bits in every batch", "[bf16]") {
  if (!has_bf16()) return;
  const Tensor x = numbers({40, 33}, 1), w = numbers({33, 50}, 2), b = numbers({50}, 3);
  Tape tape({.bf16 = true});
  const auto rows_from = [&](std::int64_t first, std::int64_t count) {
    tape.reset();
    const Variable part = slice(tape.input(x), 0, first, first + count);
    const Variable y = affine(part, tape.input(w), tape.input(b));
    evaluate({y});
    return y.value();
  };
  const Tensor whole = rows_from(0, 40);
  for (const std::int64_t count : {1, 2, 3, 7, 16, 39}) {
    const Tensor part = rows_from(40 - count, count);
    const auto expected = whole.data<float>().last(static_cast<std::size_t>(count * 50));
    CHECK(std::ranges::equal(part.data<float>(), expected));
  }
}

TEST_CASE("bf16: gradients of an LSTM near those of float32; parameters stay as they are",
          "[bf16]") {
  if (!has_bf16()) return;
  const ParameterSet parameters = lstm_parameters(20, 24, Dtype::float32);
  std::vector<Tensor> before;
  for (const Parameter& parameter : parameters) {
    before.push_back(parameter.value().to(Dtype::float64));
  }
  Tape plain;
  const Step expected = lstm_step(plain, parameters);
  for (const TapeOptions& options : ways_to_run()) {
    Tape tape(options);
    const Step found = lstm_step(tape, parameters);
    CHECK(distance(expected.loss, found.loss) < kRounding);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      CHECK(found.gradients[i].dtype() == Dtype::float32);
      CHECK(distance(expected.gradients[i], found.gradients[i]) < 2 * kRounding);
      CHECK_FALSE(found.gradients[i].identical(expected.gradients[i]));
    }
    CHECK(identical(found, lstm_step(tape, parameters)));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    CHECK(parameters[i].dtype() == Dtype::float32);
    CHECK(parameters[i].value().to(Dtype::float64).identical(before[i]));
  }
}

TEST_CASE("bf16: float64 is left alone", "[bf16]") {
  if (!has_bf16()) return;
  const ParameterSet parameters = lstm_parameters(6, 8, Dtype::float64);
  Tape plain, tape({.bf16 = true});
  CHECK(identical(lstm_step(plain, parameters), lstm_step(tape, parameters)));
}

TEST_CASE("bf16: the same bits for any number of threads", "[bf16]") {
  if (!has_bf16()) return;
  const ParameterSet parameters = lstm_parameters(20, 24, Dtype::float32);
  const auto step = [&](int threads) {
    Parallel parallel({.shards = 4, .threads = threads, .tape = {.bf16 = true}});
    LossAndGradients last;
    for (int i = 0; i < 2; ++i) {
      last = parallel.gradients(parameters, [&](Tape& tape, int shard) {
        return lstm_loss(tape, parameters, 3 + shard, 5);
      });
    }
    Step result{Tensor::scalar(last.loss), {}};
    for (const Parameter& p : parameters) result.gradients.push_back(last.gradients[p]);
    return result;
  };
  const Step one = step(1);
  for (const int threads : {2, 3, 4}) CHECK(identical(one, step(threads)));
}

TEST_CASE("bf16: a CPU that cannot is told so at once", "[bf16]") {
  const TapeOptions options{.bf16 = true};
  const auto refuse = [&] { expect_supported(options, false); };
  CHECK_THROWS_AS(refuse(), StateError);
  const std::string message = thrown_message(refuse);
  CHECK(contains(message, "Tape: bf16"));
  CHECK(contains(message, "this CPU does not multiply bfloat16"));
  CHECK(contains(message, "AVX512_BF16"));
  CHECK_NOTHROW(expect_supported(options, true));
  CHECK_NOTHROW(expect_supported({}, false));
  if (has_bf16()) {
    CHECK_NOTHROW(Tape(options));
    return;
  }
  CHECK_THROWS_AS(Tape(options), StateError);
  CHECK_THROWS_AS(Parallel({.shards = 2, .tape = options}), StateError);
}
