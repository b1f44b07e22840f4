#include <unroll/nn/init.h>

#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/lstm_cell.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
namespace init = nn::init;

namespace {

struct Statistics {
  double mean = 0, deviation = 0, low = 0, high = 0;
};

Statistics statistics_of(const Tensor& x) {
  Statistics s;
  double square = 0;
  for (const double v : x.data<double>()) {
    s.mean += v;
    square += v * v;
    s.low = std::min(s.low, v);
    s.high = std::max(s.high, v);
  }
  const auto n = static_cast<double>(x.size());
  s.mean /= n;
  s.deviation = std::sqrt(square / n - s.mean * s.mean);
  return s;
}

// 40,000 values: the deviation is within 1.5 % and the mean within 1.5 % of it (three sigmas).
void check_uniform(const Tensor& x, double bound) {
  const Statistics s = statistics_of(x);
  CHECK(std::abs(s.mean) < 0.015 * bound);
  CHECK(s.deviation == Approx(bound / std::sqrt(3.0)).epsilon(0.015));
  CHECK((s.low >= -bound && s.low < -0.999 * bound));
  CHECK((s.high < bound && s.high > 0.999 * bound));
}

void check_normal(const Tensor& x, double deviation) {
  const Statistics s = statistics_of(x);
  CHECK(std::abs(s.mean) < 0.015 * deviation);
  CHECK(s.deviation == Approx(deviation).epsilon(0.015));
  CHECK(s.high > 3.5 * deviation);
}

}  // namespace

TEST_CASE("Initial values have the spread that torch.nn.init states", "[nn]") {
  const Shape shape{100, 400};
  CHECK(init::fans_of(shape).in == 400);
  CHECK(init::fans_of(shape).out == 100);
  CHECK(init::fans_of({8, 3, 5}).in == 15);
  CHECK(init::fans_of({8, 3, 5}).out == 40);
  check_uniform(init::uniform(-0.3, 0.3)(shape, 1), 0.3);
  check_normal(init::normal(0, 0.2)(shape, 2), 0.2);
  check_uniform(init::xavier_uniform(2)(shape, 3), 2 * std::sqrt(6.0 / 500));
  check_normal(init::xavier_normal()(shape, 4), std::sqrt(2.0 / 500));
  check_uniform(init::kaiming_uniform({.slope = std::sqrt(5.0)})(shape, 5), 1 / std::sqrt(400.0));
  check_normal(init::kaiming_normal({.mode = init::FanMode::fan_out,
                                     .nonlinearity = init::Nonlinearity::relu})(shape, 6),
               std::sqrt(2.0 / 100));
  CHECK(statistics_of(init::normal(5, 1)(shape, 7)).mean == Approx(5).epsilon(0.01));
  CHECK(init::ones()({2}, 0).identical(Tensor(Shape{2}, {1.0, 1.0})));
  CHECK(init::zeros()({2}, 0).identical(Tensor(Shape{2}, {0.0, 0.0})));
  CHECK(init::gain(init::Nonlinearity::tanh) == Approx(5.0 / 3));
  CHECK(init::gain(init::Nonlinearity::leaky_relu, 0.2) == Approx(std::sqrt(2 / 1.04)));
}

TEST_CASE("The same seed gives the same values, another seed others", "[nn]") {
  const auto draw = init::xavier_uniform();
  CHECK(draw({3, 4}, 1).identical(draw({3, 4}, 1)));
  CHECK_FALSE(draw({3, 4}, 1).identical(draw({3, 4}, 2)));
}

TEST_CASE("orthogonal: rows or columns are orthogonal, of length gain", "[nn]") {
  for (const Shape& shape : {Shape{40, 40}, Shape{10, 60}, Shape{60, 10}, Shape{12, 3, 5}}) {
    INFO(to_string(shape));
    const double gain = 1.5;
    const Tensor w = init::orthogonal(gain)(shape, 9);
    REQUIRE(w.shape() == shape);
    const auto rows = static_cast<std::size_t>(shape[0]);
    const auto columns = static_cast<std::size_t>(w.size()) / rows;
    const auto x = w.data<double>();
    const bool by_row = rows <= columns;
    const std::size_t count = std::min(rows, columns), n = std::max(rows, columns);
    const auto at = [&](std::size_t k, std::size_t i) {
      return by_row ? x[k * columns + i] : x[i * columns + k];
    };
    double worst = 0;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < count; ++b) {
        double product = 0;
        for (std::size_t i = 0; i < n; ++i) product += at(a, i) * at(b, i);
        worst = std::max(worst, std::abs(product - (a == b ? gain * gain : 0)));
      }
    }
    CHECK(worst < 1e-13);
  }
}

TEST_CASE("Initialisers refuse shapes that they cannot fill", "[nn]") {
  CHECK_THROWS_AS(init::xavier_uniform()({3}, 0), ShapeError);
  CHECK_THROWS_AS(init::orthogonal()({3}, 0), ShapeError);
  CHECK_THROWS_AS(init::forget_bias(1)({6}, 0), ShapeError);
  CHECK(init::xavier_uniform()({0, 3}, 0).size() == 0);
  CHECK(init::orthogonal()({0, 3}, 0).size() == 0);
}

TEST_CASE("Gains are those of torch.nn.init.calculate_gain", "[nn]") {
  using enum init::Nonlinearity;
  CHECK(init::gain(linear) == 1);
  CHECK(init::gain(sigmoid) == 1);
  CHECK(init::gain(tanh) == 5.0 / 3);
  CHECK(init::gain(relu) == std::sqrt(2.0));
  CHECK(init::gain(leaky_relu, 0.5) == Approx(std::sqrt(1.6)).epsilon(1e-15));
  CHECK(init::gain(selu) == 0.75);
}

TEST_CASE("An LSTM's forget gate can be opened from the start", "[nn]") {
  nn::ParameterSet parameters;
  const nn::LSTMCell cell(parameters.scope(), 2, 3, {.forget_bias = 1});
  const Tensor ih = cell.weights.bias_ih.value(), hh = cell.weights.bias_hh.value();
  for (std::int64_t i = 0; i < 12; ++i) {
    const bool forget = i >= 3 && i < 6;
    CHECK((ih.at(i) == 1) == forget);
    CHECK((hh.at(i) == 0) == forget);
    CHECK(std::abs(forget ? 0 : ih.at(i)) <= 1 / std::sqrt(3.0));
  }
}

TEST_CASE("Initialisers from values and rows that are there", "[nn]") {
  const Tensor value(Shape{2, 2}, {1.F, 2.F, 3.F, 4.F});
  CHECK(init::from(value)({2, 2}, 0).identical(value));
  CHECK_THROWS_AS(init::from(value)({4}, 0), ShapeError);
  const Tensor found = init::with_rows(init::ones(), {2, 0}, value)({3, 2}, 0);
  CHECK(found.identical(Tensor(Shape{3, 2}, {3., 4., 1., 1., 1., 2.})));
  CHECK(init::with_rows(init::ones(), {}, Tensor(Shape{0, 2}))({1, 2}, 0).at(1) == 1);
  CHECK_THROWS_AS(init::with_rows(init::ones(), {2, 3}, value)({3, 2}, 0), ValueError);
  CHECK_THROWS_AS(init::with_rows(init::ones(), {-1, 0}, value)({3, 2}, 0), ValueError);
  CHECK_THROWS_AS(init::with_rows(init::ones(), {0}, value)({3, 2}, 0), ShapeError);
  CHECK_THROWS_AS(init::with_rows(init::ones(), {0, 1}, value)({3}, 0), ShapeError);
}
