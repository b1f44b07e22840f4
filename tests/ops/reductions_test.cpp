// Reductions against sums over indices: every shape up to rank 3 with every set of axes, long rows
// for the vector kernels, special values, gradients at kinks.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

/// The elements that go into each result, in row-major order of the results.
std::vector<std::vector<double>> groups(const Tensor& x, std::uint32_t mask) {
  const Shape kept = reduced_shape(x.shape(), mask, true);
  std::vector<std::vector<double>> result(static_cast<std::size_t>(kept.size()));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t rest = i, at = 0, stride = 1;
    for (int axis = kept.rank() - 1; axis >= 0; --axis) {
      at += (rest % x.shape()[axis]) * (kept[axis] == 1 ? 0 : stride);
      rest /= x.shape()[axis];
      stride *= kept[axis];
    }
    result[static_cast<std::size_t>(at)].push_back(x.at(i));
  }
  return result;
}

using Group = std::vector<double>;
double sum_of(const Group& x) {
  double total = 0;
  for (const double v : x) total += v;
  return total;
}
double mean_of(const Group& x) { return sum_of(x) / static_cast<double>(x.size()); }
double max_of(const Group& x) { return *std::ranges::max_element(x); }
double min_of(const Group& x) { return *std::ranges::min_element(x); }
double logsumexp_of(const Group& x) {
  double total = 0;
  for (const double v : x) total += std::exp(v);
  return std::log(total);
}
double norm_of(const Group& x) {
  double total = 0;
  for (const double v : x) total += v * v;
  return std::sqrt(total);
}
double variance_of(const Group& x, double correction) {
  double total = 0;
  for (const double v : x) total += (v - mean_of(x)) * (v - mean_of(x));
  return total / std::max(static_cast<double>(x.size()) - correction, 0.0);
}

struct Reducer {
  const char* name;
  std::function<Variable(const Variable&, const Axes&, bool)> call;
  std::function<double(const Group&)> reference;
  bool needs_elements = false;
};

const std::vector<Reducer>& reducers() {
  static const std::vector<Reducer> list{
      {"sum", [](auto& x, auto& axes, bool keep) { return sum(x, axes, keep); }, sum_of},
      {"mean", [](auto& x, auto& axes, bool keep) { return mean(x, axes, keep); }, mean_of},
      {"max", [](auto& x, auto& axes, bool keep) { return max(x, axes, keep); }, max_of, true},
      {"min", [](auto& x, auto& axes, bool keep) { return min(x, axes, keep); }, min_of, true},
      {"logsumexp", [](auto& x, auto& axes, bool keep) { return logsumexp(x, axes, keep); },
       logsumexp_of},
      {"norm", [](auto& x, auto& axes, bool keep) { return norm(x, axes, keep); }, norm_of},
      {"var", [](auto& x, auto& axes, bool keep) { return var(x, axes, 1, keep); },
       [](const Group& x) { return variance_of(x, 1); }},
      {"biased var", [](auto& x, auto& axes, bool keep) { return var(x, axes, 0, keep); },
       [](const Group& x) { return variance_of(x, 0); }},
  };
  return list;
}

bool close(double got, double want, double rounding) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want);
  return got == want || std::abs(got - want) <= rounding * (1 + std::abs(want));
}

/// All reductions of one tensor over the axes with a bit in `mask`, with and without keepdim.
void check_all(const Tensor& x, std::uint32_t mask, const Axes& axes) {
  const auto expected = groups(x, mask);
  bool has_elements = true;
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    if ((mask >> axis & 1) != 0) has_elements = has_elements && x.shape()[axis] > 0;
  }
  // Columns are added one by one, so that errors grow with their length.
  const double count = expected.empty() ? 0 : static_cast<double>(expected.front().size());
  const double rounding =
      x.dtype() == Dtype::float32 ? std::max(4e-6, 2e-7 * count) : std::max(1e-13, 4e-16 * count);
  for (const Reducer& reducer : reducers()) {
    INFO(reducer.name << " of " << to_string(Type{x.dtype(), x.shape()}) << " over " << mask);
    Tape tape;
    const Variable input = tape.input(x);
    if (reducer.needs_elements && !has_elements) {
      CHECK_THROWS_AS(reducer.call(input, axes, false), ShapeError);
      continue;
    }
    const Variable y = reducer.call(input, axes, false), kept = reducer.call(input, axes, true);
    REQUIRE(y.shape() == reduced_shape(x.shape(), mask, false));
    REQUIRE(kept.shape() == reduced_shape(x.shape(), mask, true));
    CHECK(kept.value().reshaped(y.shape()).identical(y.value()));
    bool right = true;
    for (std::int64_t i = 0; i < y.shape().size(); ++i) {
      const double want = reducer.reference(expected[static_cast<std::size_t>(i)]);
      right = right && close(y.value().at(i), want, rounding);
    }
    CHECK(right);
  }
}

/// The same over every set of at most two axes, and over all.
void check_all_axes(const Tensor& x) {
  const int rank = x.shape().rank();
  check_all(x, (1u << rank) - 1, {});
  for (int a = 0; a < rank; ++a) {
    check_all(x, 1u << a, a);
    check_all(x, 1u << a, a - rank);
    for (int b = 0; b < a; ++b) check_all(x, 1u << a | 1u << b, {a, b - rank});
  }
}

}  // namespace

TEST_CASE("reductions of small tensors over every set of axes", "[ops]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    check_all_axes(uniform({}).to(dtype));
    for (std::int64_t i = 0; i < 4; ++i) {
      check_all_axes(uniform({i}).to(dtype));
      for (std::int64_t j = 0; j < 4; ++j) {
        check_all_axes(uniform({i, j}).to(dtype));
        for (std::int64_t k = 0; k < 4; ++k) check_all_axes(uniform({i, j, k}).to(dtype));
      }
    }
    check_all_axes(uniform({2, 3, 1, 2, 2, 3}).to(dtype));
  }
}

TEST_CASE("reductions of long rows and columns", "[ops]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    for (std::int64_t n = 1; n <= 40; ++n) check_all_axes(uniform({3, n}).to(dtype));
    for (const std::int64_t n : {255, 256, 257, 600}) {
      check_all_axes(uniform({n}).to(dtype));
      check_all_axes(uniform({3, n}).to(dtype));
      check_all_axes(uniform({n, 3}).to(dtype));
      check_all_axes(uniform({2, n, 5}).to(dtype));
    }
  }
}

TEST_CASE("reductions of special values", "[ops]") {
  const auto at = [](auto call, std::vector<double> values, Dtype dtype) {
    Tape tape;
    const Shape row{static_cast<std::int64_t>(values.size())};
    const Variable x = tape.input(Tensor(row, values).to(dtype));
    const double result = call(x).item();
    // The same numbers as a column, which another kernel reduces.
    const Variable column = tape.input(Tensor(Shape{row[0], 1}, values).to(dtype));
    const Variable wide = column + tape.input(Tensor(Shape{3}, dtype));
    CHECK(close(max(call(wide), {}).item(), result, 1e-6));
    return result;
  };
  const auto max_at = [](const Variable& x) { return max(x, 0); };
  const auto min_at = [](const Variable& x) { return min(x, 0); };
  const auto logsumexp_at = [](const Variable& x) { return logsumexp(x, 0); };
  const auto norm_at = [](const Variable& x) { return norm(x, 0); };
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    INFO(name_of(dtype));
    CHECK(at(max_at, {-kInfinity, -kInfinity}, dtype) == -kInfinity);
    CHECK(at(min_at, {kInfinity, kInfinity}, dtype) == kInfinity);
    for (std::size_t n : {2, 5, 17, 40}) {  // NaN is found wherever it is
      for (std::size_t position = 0; position < n; ++position) {
        std::vector<double> values(n, 1.0);
        values[position] = kNan;
        CHECK(std::isnan(at(max_at, values, dtype)));
        CHECK(std::isnan(at(min_at, values, dtype)));
        CHECK(std::isnan(at(logsumexp_at, values, dtype)));
      }
    }
    CHECK(at(logsumexp_at, {-kInfinity, -kInfinity}, dtype) == -kInfinity);
    CHECK(at(logsumexp_at, {-kInfinity, 2}, dtype) == Approx(2));
    CHECK(at(logsumexp_at, {kInfinity, 2}, dtype) == kInfinity);
    CHECK(at(logsumexp_at, {1e30, 1e30}, dtype) == Approx(1e30));
    CHECK(at(logsumexp_at, {-1000, -1000}, dtype) == Approx(-1000 + std::log(2)));
    CHECK(at(logsumexp_at, {1000, 1000, 0}, dtype) == Approx(1000 + std::log(2)));
    CHECK(at(norm_at, {-kInfinity, 1}, dtype) == kInfinity);
    CHECK(at(norm_at, {0, 0}, dtype) == 0);
  }
}

namespace {

/// d sum(y) / dx of one reduction.
Tensor slope(const std::function<Variable(const Variable&)>& call, const Tensor& x) {
  Tape tape;
  const Variable input = tape.input(x);
  return gradients(sum(call(input)), {input})[0].value();
}

}  // namespace

TEST_CASE("equal extremes share the gradient", "[ops]") {
  const Tensor x(Shape{2, 4}, {3.0, 1.0, 3.0, 3.0, -1.0, -1.0, 0.0, -1.0});
  const double third = 1.0 / 3;
  CHECK(slope([](auto& v) { return max(v, 1); }, x)
            .identical(Tensor(Shape{2, 4}, {third, 0., third, third, 0., 0., 1., 0.})));
  CHECK(slope([](auto& v) { return min(v, 1, true); }, x)
            .identical(Tensor(Shape{2, 4}, {0., 1., 0., 0., third, third, 0., third})));
  CHECK(slope([](auto& v) { return max(v, {}); }, x)
            .identical(Tensor(Shape{2, 4}, {third, 0., third, third, 0., 0., 0., 0.})));
  CHECK(slope([](auto& v) { return max(v, 0); }, Tensor(Shape{2, 2}, {1.f, 2.f, 1.f, 0.f}))
            .identical(Tensor(Shape{2, 2}, {.5f, 1.f, .5f, 0.f})));
}

TEST_CASE("gradients where a formula would divide by zero or subtract infinities", "[ops]") {
  const Tensor zeros(Shape{2, 2}, Dtype::float64);
  CHECK(slope([](auto& v) { return norm(v); }, zeros).identical(zeros));
  const Tensor partly(Shape{2, 2}, {0.0, 0.0, 3.0, -4.0});
  const Tensor unit = slope([](auto& v) { return norm(v, 1); }, partly);
  CHECK(unit.at(0) == 0);
  CHECK(unit.at(1) == 0);
  CHECK(unit.at(2) == Approx(0.6));
  CHECK(unit.at(3) == Approx(-0.8));
  CHECK(slope([](auto& v) { return logsumexp(v, 0); }, Tensor(Shape{2}, {-kInfinity, -kInfinity}))
            .identical(Tensor(Shape{2}, {0.0, 0.0})));
  CHECK(slope([](auto& v) { return logsumexp(v, 0); }, Tensor(Shape{2}, {-kInfinity, 5.0}))
            .identical(Tensor(Shape{2}, {0.0, 1.0})));
  const Tensor same(Shape{3}, {2.0, 2.0, 2.0});
  CHECK(slope([](auto& v) { return var(v); }, same).identical(Tensor(Shape{3}, Dtype::float64)));
}

TEST_CASE("var loses no digits to a large mean", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{4}, {10000.f, 10001.f, 10002.f, 10003.f}));
  CHECK(var(x).item() == Approx(5.0 / 3).epsilon(1e-6));
  CHECK(var(x, {}, 0).item() == Approx(1.25).epsilon(1e-6));
  CHECK(std::isnan(var(tape.input(Tensor(Shape{1}, {3.f}))).item()));
}

TEST_CASE("reductions refuse what they cannot reduce, naming the user's line", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 3}));
  const Variable ids = tape.input(Tensor(Shape{2}, Dtype::int32));
  const Variable empty = tape.input(Tensor(Shape{0, 3}));
  const std::size_t before = tape.size();
  for (const Reducer& reducer : reducers()) {
    INFO(reducer.name);
    CHECK_THROWS_AS(reducer.call(x, 2, false), ShapeError);
    CHECK_THROWS_AS(reducer.call(x, -3, false), ShapeError);
    CHECK_THROWS_AS(reducer.call(x, {1, -1}, false), ValueError);
    CHECK_THROWS_AS(reducer.call(ids, {}, false), DtypeError);
  }
  CHECK_THROWS_AS(cumsum(x, 2), ShapeError);
  CHECK_THROWS_AS(cumsum(ids, 0), DtypeError);
  CHECK_THROWS_AS(argmax(x, 2), ShapeError);
  const std::string here = "reductions_test.cpp:" + std::to_string(__LINE__ + 1);
  const std::string message = thrown_message([&] { max(empty, 0); });
  CHECK(contains(message, here + ": max: axis 0 of [0, 3] has no elements"));
  CHECK(contains(thrown_message([&] { mean(ids); }), ": mean: got int32"));
  CHECK(contains(thrown_message([&] { var(x, 5); }), ": var: axis 5 does not exist"));
  CHECK(tape.size() == before);
}

TEST_CASE("a whole number is an axis, a fraction an operand", "[ops]") {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{2, 2}, {1.f, 2.f, 3.f, 4.f}));
  CHECK(max(x, 1).shape() == Shape{2});
  CHECK(max(x, std::int64_t{1}, true).shape() == Shape{2, 1});
  CHECK(max(x, 2.5).value().identical(Tensor(Shape{2, 2}, {2.5f, 2.5f, 3.f, 4.f})));
  CHECK(min(x, 1.0).shape() == Shape{2, 2});
}

namespace {

using Inputs = std::span<const Variable>;

const std::vector<std::vector<Tensor>> kMatrices{
    {uniform({2, 3})}, {uniform({1, 4})}, {uniform({3, 1})}};
const std::vector<std::vector<Tensor>> kAnyRank{
    {uniform({2, 3})}, {uniform({})}, {uniform({1})}, {uniform({2, 0})}, {uniform({2, 3, 1, 2})}};

const Samples kSumOverAll{"sum", [](Inputs x) { return sum(x[0]); }, kAnyRank};
const Samples kSumOverOne{"sum", [](Inputs x) { return sum(x[0], -1, true); }, kMatrices};
const Samples kMeanOverAll{
    "sum", [](Inputs x) { return mean(x[0]); }, {{uniform({2, 3})}, {uniform({})}, {uniform({1})}}};
const Samples kMeanOverOne{"sum", [](Inputs x) { return mean(x[0], 0, true); }, kMatrices};
const Samples kMaxOverAll{
    "max", [](Inputs x) { return max(x[0], {}); }, {{uniform({2, 3})}, {uniform({})}}};
const Samples kMaxOverOne{"max", [](Inputs x) { return max(x[0], -1, true); }, kMatrices};
const Samples kMinOverOne{"min", [](Inputs x) { return min(x[0], 0); }, kMatrices};
const Samples kMinOfEmpty{"min", [](Inputs x) { return min(x[0], 1); }, {{uniform({0, 3})}}};
const Samples kLogSumExpOverAll{
    "logsumexp", [](Inputs x) { return logsumexp(x[0], {}); }, {{uniform({2, 3})}, {uniform({})}}};
const Samples kLogSumExpOverOne{"logsumexp", [](Inputs x) { return logsumexp(x[0], -1, true); },
                                kMatrices};
const Samples kLogSumExpOverRows{"logsumexp", [](Inputs x) { return logsumexp(x[0], 0); },
                                 kMatrices};
const Samples kVarOverAll{"var",
                          [](Inputs x) { return var(x[0]); },
                          {{uniform({2, 3})}, {uniform({2})}, {uniform({2, 1, 2})}}};
const Samples kVarOverOne{"var", [](Inputs x) { return var(x[0], -1, 0, true); }, kMatrices};
const Samples kVarOverRows{
    "var", [](Inputs x) { return var(x[0], 0); }, {{uniform({3, 2})}, {uniform({3, 0})}}};
const Samples kNormOverAll{"norm",
                           [](Inputs x) { return norm(x[0]); },
                           {{away_from_zero({2, 3})}, {away_from_zero({})}, {uniform({0})}}};
const Samples kNormOverOne{
    "norm", [](Inputs x) { return norm(x[0], -2, true); }, {{away_from_zero({3, 2})}}};

}  // namespace
