// softmax, log_softmax and masked_softmax: against PyTorch, special values, masks, errors.
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

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const Samples kSoftmaxSamples{
    "softmax",
    [](std::span<const Variable> x) { return softmax(x[0]); },
    {{uniform({5})}, {uniform({2, 3})}, {uniform({0, 3})}, {uniform({3, 0})}, {uniform({4, 1})}}};
const Samples kSoftmaxAxisSamples{"softmax",
                                  [](std::span<const Variable> x) { return softmax(x[0], 1); },
                                  {{uniform({2, 3, 2})}, {uniform({2, 0, 3})}}};
const Samples kLogSoftmaxSamples{
    "log_softmax",
    [](std::span<const Variable> x) { return log_softmax(x[0]); },
    {{uniform({5})}, {uniform({2, 3})}, {uniform({0, 3})}, {uniform({3, 0})}, {uniform({4, 1})}}};
const Samples kLogSoftmaxAxisSamples{
    "log_softmax",
    [](std::span<const Variable> x) { return log_softmax(x[0], 0); },
    {{uniform({3, 2})}}};

// [2, 2, 3]: some, none, all, one
Tensor mask_for_samples() {
  return Tensor(Shape{2, 2, 3},
                {true, false, true, false, false, false, true, true, true, false, true, false});
}
const Samples kMaskedSamples{
    "masked_softmax",
    [](std::span<const Variable> x) { return masked_softmax(x[0], x[1]); },
    {{uniform({2, 2, 3}), mask_for_samples()},
     {uniform({2, 3}), Tensor(Shape{3}, {true, false, true})},
     {uniform({2, 2, 3}), Tensor(Shape{2, 1, 3}, {true, true, false, false, true, true})},
     {uniform({2, 2, 3}), Tensor(Shape{2, 1}, {true, false})},
     {uniform({2, 3}), Tensor(Shape{}, {true})},
     {uniform({0, 3}), Tensor(Shape{3}, {true, false, true})}}};

bool all_zero(const Tensor& x) {
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (x.at(i) != 0) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("softmax and log_softmax agree with PyTorch", "[ops]") {
  check_against_torch(
      "softmax", [](const auto& options, auto x) { return softmax(x[0], options.at("axis")); });
  check_against_torch("log_softmax", [](const auto& options, auto x) {
    return log_softmax(x[0], options.at("axis"));
  });
}

TEST_CASE("softmax of a long row is a distribution", "[ops]") {
  Tape tape;
  const Tensor x = random_normal(Shape{3, 10007}, 5, 0, 4);
  const Tensor expected = softmax(tape.input(x)).value();
  const Tensor y = softmax(tape.input(x.to(Dtype::float32))).value();
  check_close(y, expected, 1e-6);
  CHECK(sum(tape.input(expected)).item() == Approx(3).epsilon(1e-12));
}

TEST_CASE("softmax keeps denormal differences harmless", "[ops]") {
  Tape tape;
  const float tiny = std::numeric_limits<float>::denorm_min();
  const Tensor y = softmax(tape.input(Tensor(Shape{2, 2}, {tiny, 0.0f, 0.0f, -110.0f}))).value();
  CHECK(y.at(0) == 0.5);
  CHECK(y.at(2) == 1);
  CHECK(y.at(3) < 1e-37);
}

TEST_CASE("masked_softmax is softmax where the mask is all true", "[ops]") {
  Tape tape;
  const Variable x = tape.input(random_normal(Shape{4, 9}, 3));
  const Variable all = tape.constant(1, Dtype::bool_, Shape{});
  check_close(masked_softmax(x, all).value(), softmax(x).value(), 1e-15);
}

TEST_CASE("masked_softmax leaves masked elements out", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{1, 4}, {1.0, 5.0, 2.0, 3.0}));
  const Variable mask = tape.input(Tensor(Shape{4}, {true, false, true, false}));
  const Tensor y = masked_softmax(x, mask).value();
  CHECK(y.at(0) == Approx(1 / (1 + std::exp(1.0))).epsilon(1e-14));
  CHECK(y.at(1) == 0);
  CHECK(y.at(2) == Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-14));
  CHECK(y.at(3) == 0);
}

TEST_CASE("what a mask hides influences nothing", "[ops]") {
  Tape tape;
  const Variable mask = tape.input(Tensor(Shape{3, 4}, {true, false, true, false, false, false,
                                                        false, false, false, true, false, false}));
  const Tensor clean(Shape{3, 4},
                     {1.0f, 0.0f, 2.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, -3.0f, 0.0f, 0.0f});
  const Tensor dirty(Shape{3, 4},
                     {1.0f, kNan, 2.0f, kInf, -kInf, kNan, kInf, 1e30f, kNan, -3.0f, kInf, -kInf});
  const Tensor cotangent(Shape{3, 4},
                         {0.5f, kNan, -1.0f, kInf, kNan, kInf, 1.0f, 2.0f, kNan, 1.0f, kInf, kNan});
  std::vector<Tensor> values, gradients_by_x, second;
  for (const Tensor& value : {clean, dirty}) {
    const Variable x = tape.input(value), dy = tape.input(cotangent);
    const Variable y = masked_softmax(x, mask);
    const Variable dx =
        vector_jacobian_product(std::span(&y, 1), std::span(&dy, 1), std::span(&x, 1))[0];
    const Variable ddx =
        vector_jacobian_product(std::span(&dx, 1), std::span(&dy, 1), std::span(&x, 1))[0];
    values.push_back(y.value());
    gradients_by_x.push_back(dx.value());
    second.push_back(ddx.value());
  }
  CHECK(values[0].identical(values[1]));
  CHECK(gradients_by_x[0].identical(gradients_by_x[1]));
  check_close(second[1], second[0], 1e-6);
  for (int i = 4; i < 8; ++i) {
    CHECK(values[1].at(i) == 0);
    CHECK(gradients_by_x[1].at(i) == 0);
    CHECK(second[1].at(i) == 0);
  }
  CHECK(values[1].at(9) == 1);
  CHECK(gradients_by_x[1].at(0) != 0);
}

TEST_CASE("NaN under a true mask stays in its row and off the masked elements", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}, {kNan, 1.0f, 2.0f, 1.0f, 1.0f, 1.0f}));
  const Variable mask = tape.input(Tensor(Shape{3}, {true, true, false}));
  const Tensor y = masked_softmax(x, mask).value();
  CHECK(std::isnan(y.at(0)));
  CHECK(y.at(2) == 0);
  CHECK(y.at(3) == 0.5);
}

TEST_CASE("a mask that hides everything gives zeros", "[ops]") {
  Tape tape;
  const Variable x = tape.input(random_normal(Shape{3, 5}, 1));
  const Variable y = masked_softmax(x, tape.constant(0, Dtype::bool_, Shape{3, 1}));
  CHECK(all_zero(y.value()));
  CHECK(all_zero(gradients(sum(square(y + 1.0)), {x})[0].value()));
}

TEST_CASE("softmax errors name the user's line and what was expected", "[ops]") {
  Tape tape;
  const Variable ids = tape.input(Tensor(Shape{2, 2}, {1, 2, 3, 4}));
  const Variable x = tape.input(Tensor(Shape{2, 2}));
  for (const int axis : {0, 1}) {
    CHECK_THROWS_AS(softmax(ids, axis), DtypeError);
    CHECK(contains(thrown_message([&] { softmax(ids, axis); }),
                   "softmax_test.cpp:" + std::to_string(__LINE__ - 1) +
                       ": softmax: got int32; expected float32 or float64"));
  }
  CHECK_THROWS_AS(softmax(x, 2), ShapeError);
  CHECK_THROWS_AS(log_softmax(tape.input(Tensor::scalar(1))), ShapeError);
  CHECK_THROWS_AS(masked_softmax(x, x), DtypeError);
  const Variable mask = tape.input(Tensor(Shape{3}, {true, true, false}));
  CHECK(contains(thrown_message([&] { masked_softmax(x, mask); }),
                 "masked_softmax: got [2, 2] and a mask of shape [3]"));
}
