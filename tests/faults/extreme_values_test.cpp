// Extreme values: softmax and its kin, losses and layer_norm at +-1e4, at denormals and with -inf;
// values and gradients against a table.
#include <cmath>
#include <limits>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kDenormal = 1e-40;  // of float

struct Row {
  const char* name;
  Variable (*f)(const Variable& x);
  std::vector<double> x;
  std::vector<double> y;   ///< expected
  std::vector<double> dx;  ///< of the sum of c y with c = 1, 2, 3, ...; the gradient by x
};

Variable softmax_of(const Variable& x) { return softmax(x); }
Variable log_softmax_of(const Variable& x) { return log_softmax(x); }
Variable logsumexp_of(const Variable& x) { return logsumexp(x, 0); }
Variable masked_of(const Variable& x) {
  const Variable mask = input_like(x, Tensor(Shape{3}, {true, true, false}));
  return masked_softmax(x, mask);
}
Variable nothing_visible(const Variable& x) {
  const Variable mask = input_like(x, Tensor(Shape{3}, {false, false, false}));
  return masked_softmax(x, mask);
}
/// The target is class 0.
Variable cross_entropy_of(const Variable& x) {
  const Variable target = input_like(x, Tensor(Shape{1}, {0}));
  return cross_entropy(reshape(x, {1, 3}), target);
}
Variable bce_of_zero(const Variable& x) {
  return binary_cross_entropy(x, 0.0 * detach(x), Reduction::none);
}
Variable bce_of_one(const Variable& x) {
  const Variable one = input_like(x, Tensor::full(x.shape(), 1, x.dtype()));
  return binary_cross_entropy(x, one, Reduction::none);
}
Variable layer_norm_of(const Variable& x) {
  const Variable one = input_like(x, Tensor::full(x.shape(), 1, x.dtype()));
  return layer_norm(x, one, input_like(x, Tensor(x.shape(), x.dtype())));
}

const double kLog2 = std::log(2.0), kThird = 1.0 / 3, kRoot = std::sqrt(1.5);

const std::vector<Row> kTable = {
    {"softmax", softmax_of, {1e4, 0, -1e4}, {1, 0, 0}, {0, 0, 0}},
    {"softmax", softmax_of, {1e4, 1e4, -1e4}, {0.5, 0.5, 0}, {-0.25, 0.25, 0}},
    {"softmax", softmax_of, {-1e4, -1e4, -1e4}, {kThird, kThird, kThird}, {-kThird, 0, kThird}},
    {"softmax", softmax_of, {-kInfinity, 0, 0}, {0, 0.5, 0.5}, {0, -0.25, 0.25}},
    {"softmax",
     softmax_of,
     {kDenormal, 0, -kDenormal},
     {kThird, kThird, kThird},
     {-kThird, 0, kThird}},
    {"softmax", softmax_of, {-kInfinity, -kInfinity, -kInfinity}, {kNan, kNan, kNan}, {}},
    {"log_softmax", log_softmax_of, {1e4, 0, -1e4}, {0, -1e4, -2e4}, {-5, 2, 3}},
    {"log_softmax", log_softmax_of, {1e4, 1e4, -1e4}, {-kLog2, -kLog2, -2e4 - kLog2}, {-2, -1, 3}},
    {"log_softmax", log_softmax_of, {-kInfinity, 0, 0}, {-kInfinity, -kLog2, -kLog2}, {}},
    {"logsumexp", logsumexp_of, {1e4, 0, -1e4}, {1e4}, {1, 0, 0}},
    {"logsumexp", logsumexp_of, {1e4, 1e4, -1e4}, {1e4 + kLog2}, {0.5, 0.5, 0}},
    {"logsumexp", logsumexp_of, {-1e4, -kInfinity, -1e4}, {-1e4 + kLog2}, {0.5, 0, 0.5}},
    {"logsumexp", logsumexp_of, {-kInfinity, -kInfinity, -kInfinity}, {-kInfinity}, {0, 0, 0}},
    {"logsumexp", logsumexp_of, {kInfinity, 0, 0}, {kInfinity}, {}},
    {"logsumexp",
     logsumexp_of,
     {kDenormal, kDenormal, 0},
     {std::log(3.0)},
     {kThird, kThird, kThird}},
    {"masked_softmax", masked_of, {1e4, -1e4, kNan}, {1, 0, 0}, {0, 0, 0}},
    {"masked_softmax", masked_of, {-1e4, -1e4, kInfinity}, {0.5, 0.5, 0}, {-0.25, 0.25, 0}},
    {"masked_softmax", nothing_visible, {1e4, kNan, -kInfinity}, {0, 0, 0}, {0, 0, 0}},
    {"cross_entropy", cross_entropy_of, {1e4, 0, -1e4}, {0}, {0, 0, 0}},
    {"cross_entropy", cross_entropy_of, {-1e4, 0, 1e4}, {2e4}, {-1, 0, 1}},
    {"cross_entropy", cross_entropy_of, {0, -kInfinity, 0}, {kLog2}, {-0.5, 0, 0.5}},
    {"cross_entropy",
     cross_entropy_of,
     {kDenormal, 0, 0},
     {std::log(3.0)},
     {-2 * kThird, kThird, kThird}},
    {"cross_entropy", cross_entropy_of, {-kInfinity, 0, 0}, {kInfinity}, {-1, 0.5, 0.5}},
    {"binary_cross_entropy", bce_of_zero, {1e4, -1e4, kDenormal}, {1e4, 0, kLog2}, {1, 0, 1.5}},
    {"binary_cross_entropy", bce_of_one, {1e4, -1e4, kDenormal}, {0, 1e4, kLog2}, {0, -2, -1.5}},
    {"layer_norm", layer_norm_of, {1e4, 1e4, 1e4}, {0, 0, 0}, {-std::sqrt(1e5), 0, std::sqrt(1e5)}},
    {"layer_norm", layer_norm_of, {1e4, 0, -1e4}, {kRoot, 0, -kRoot}, {0, 0, 0}},
    {"layer_norm",
     layer_norm_of,
     {kDenormal, 0, -kDenormal},
     {0, 0, 0},
     {-std::sqrt(1e5), 0, std::sqrt(1e5)}},
};

void check_equal(const Tensor& got, const std::vector<double>& expected, double tolerance) {
  REQUIRE(got.size() == static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double x = got.at(static_cast<std::int64_t>(i)), want = expected[i];
    INFO("element " << i << " is " << x << ", expected " << want);
    if (std::isnan(want)) {
      CHECK(std::isnan(x));
    } else if (std::isinf(want)) {
      CHECK(x == want);
    } else {
      CHECK(std::abs(x - want) <= tolerance * std::max(1.0, std::abs(want)));
    }
  }
}

}  // namespace

TEST_CASE("values and gradients at the ends of the range", "[faults]") {
  REQUIRE(kTable.size() == 28);
  for (const Row& row : kTable) {
    for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
      INFO(row.name << " of " << row.x[0] << ", " << row.x[1] << ", " << row.x[2] << " in "
                    << name_of(dtype));
      // logsumexp is rounded before its derivative exp(x - y) is taken, as in PyTorch.
      const bool rounded = dtype == Dtype::float32 && row.f == logsumexp_of;
      const double tolerance = rounded ? 6e-4 : dtype == Dtype::float32 ? 2e-6 : 1e-12;
      Tape tape;
      const Variable x = tape.input(Tensor(Shape{3}, row.x).to(dtype));
      const Variable y = row.f(x);
      check_equal(y.value(), row.y, tolerance);
      if (row.dx.empty()) continue;
      Tensor c(y.shape(), Dtype::float64);
      double next = 1;
      for (double& element : c.mutable_data<double>()) element = next++;
      const Variables outputs{y}, cotangents{tape.input(c.to(dtype))}, wrt{x};
      check_equal(vector_jacobian_product(outputs, cotangents, wrt)[0].value(), row.dx, tolerance);
    }
  }
}
