// layer_norm: against PyTorch, the widths where its tiles end, special values, errors.
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/ops/torch_cases.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const Samples kSamples{
    "layer_norm",
    [](std::span<const Variable> x) { return layer_norm(x[0], x[1], x[2], 0.1); },
    {{uniform({4}), uniform({4}), uniform({4})},
     {uniform({2, 3}), uniform({3}), uniform({3})},
     {uniform({2, 2, 4}), uniform({4}), uniform({4})},
     {uniform({3, 1}), uniform({1}), uniform({1})},
     {uniform({0, 3}), uniform({3}), uniform({3})},
     {uniform({2, 0}), uniform({0}), uniform({0})}}};

}  // namespace

TEST_CASE("layer_norm agrees with PyTorch", "[ops]") {
  check_against_torch("layer_norm", [](const auto& options, auto x) {
    return layer_norm(x[0], x[1], x[2], options.at("epsilon"));
  });
}

TEST_CASE("layer_norm and its gradients equal their formula at any width", "[ops]") {
  for (const std::int64_t width : {1, 255, 256, 257, 600}) {
    Tape tape;
    const Variable x = tape.input(random_normal(Shape{3, width}, 1, 2, 3));
    const Variable gain = tape.input(random_normal(Shape{width}, 2));
    const Variable bias = tape.input(random_normal(Shape{width}, 3));
    const Variable weight = tape.input(random_normal(Shape{3, width}, 4));
    const Variable centred = x - mean(x, -1, true);
    const Variable formula = centred / sqrt(mean(square(centred), -1, true) + 1e-5) * gain + bias;
    const Variable y = layer_norm(x, gain, bias);
    check_close(y.value(), formula.value(), 1e-13);
    const auto got = gradients(sum(y * weight), {x, gain, bias});
    const auto expected = gradients(sum(formula * weight), {x, gain, bias});
    for (std::size_t i = 0; i < got.size(); ++i) {
      check_close(got[i].value(), expected[i].value(), 1e-11);
    }
    const Variable y32 = layer_norm(tape.input(x.value().to(Dtype::float32)),
                                    tape.input(gain.value().to(Dtype::float32)),
                                    tape.input(bias.value().to(Dtype::float32)));
    check_close(y32.value(), y.value(), 1e-6);
  }
}

TEST_CASE("layer_norm of a parameter used at every step adds its gradients up", "[ops]") {
  ParameterSet parameters(0, Dtype::float64);
  const Parameter gain =
      parameters.create("gain", random_normal(Shape{4}, 1, 1, 0.1, Dtype::float64));
  const auto loss = [&](Tape& tape) {
    Variable h = tape.input(random_normal(Shape{3, 4}, 2));
    const Variable bias = tape.constant(0.5, Dtype::float64, Shape{4});
    for (int step = 0; step < 3; ++step) h = tanh(layer_norm(h, gain, bias));
    return sum(square(h));
  };
  const GradcheckReport report = gradcheck(parameters, loss);
  INFO(report.message);
  CHECK(report.ok);
}

TEST_CASE("layer_norm of constant and of non-finite rows", "[ops]") {
  Tape tape;
  const float inf = std::numeric_limits<float>::infinity();
  const Variable x = tape.input(Tensor(Shape{3, 2}, {3.0f, 3.0f, inf, 1.0f, -1.0f, 1.0f}));
  const Variable gain = tape.constant(2, Dtype::float32, Shape{2});
  const Variable bias = tape.constant(1, Dtype::float32, Shape{2});
  const Tensor y = layer_norm(x, gain, bias).value();
  CHECK(y.at(0) == 1);
  CHECK(y.at(1) == 1);
  CHECK(std::isnan(y.at(2)));
  CHECK(y.at(4) == Approx(-1).epsilon(1e-4));
  CHECK(y.at(5) == Approx(3).epsilon(1e-4));
}

TEST_CASE("layer_norm errors", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3})), three = tape.input(Tensor(Shape{3}));
  const Variable two = tape.input(Tensor(Shape{2}));
  CHECK_THROWS_AS(layer_norm(x, two, three), ShapeError);
  CHECK_THROWS_AS(layer_norm(x, three, two), ShapeError);
  CHECK_THROWS_AS(layer_norm(tape.input(Tensor::scalar(1)), three, three), ShapeError);
  CHECK_THROWS_AS(layer_norm(x, three, tape.input(Tensor(Shape{3}, Dtype::float64))), DtypeError);
  CHECK_THROWS_AS(layer_norm(x, three, three, -1), ValueError);
  CHECK(contains(thrown_message([&] { layer_norm(x, two, two); }),
                 "layer_norm_test.cpp:" + std::to_string(__LINE__ - 1) +
                     ": layer_norm: got [2, 3], gain [2], bias [2]; expected"));
}
