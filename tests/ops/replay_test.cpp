// Derivative formulas that are differentiated again: every primitive may stand in one.
#include <cmath>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

// What counts here is the derivative of the derivative, whatever the function is.
const Pointwise kMixed{"test.mixed", [](Expr x) { return exp(x); },
                       [](Expr x, Expr, Expr dy) {
                         const Expr smooth = log1p(x * x) + expm1(x) + tanh(x);
                         return dy * (smooth + where(x <= 1, x * x, 3 * x) + where(x != 2, x, 0));
                       }};
const NoGradientOp kMixedHasNone{"test.mixed", "its derivative is made up"};

}  // namespace

TEST_CASE("a derivative with functions and comparisons is differentiated again", "[formula]") {
  Tape tape;
  const std::vector<double> points{0.5, 1.0, 2.0};
  const Variable x = tape.input(Tensor(Shape{3}, points));
  const Variable slope = gradients(sum(kMixed(x)), {x}).front();
  const Tensor found = gradients(sum(slope), {x}).front().value();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double p = points[i], t = std::tanh(p);
    const double expected =
        2 * p / (1 + p * p) + std::exp(p) + 1 - t * t + (p <= 1 ? 2 * p : 3) + (p != 2 ? 1 : 0);
    CHECK(found.at(static_cast<std::int64_t>(i)) == Approx(expected).epsilon(1e-14));
  }
}
