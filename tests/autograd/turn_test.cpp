// The pass `turn`: which products it turns, and that they stay what they were.
#include <algorithm>
#include <cmath>
#include <span>

#include <unroll/autograd/plan.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/autograd/programs.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("gradients of wide matrices over many rows are computed turned, and turned back",
          "[passes]") {
  struct Case {
    int steps;
    std::int64_t rows, in, width;
    bool other_term, turns;
  };
  const std::vector<Case> cases{{5, 256, 64, 128, false, true},    // the sum of two products
                                {1, 1100, 64, 208, false, true},   // one product of one step
                                {20, 70, 80, 160, false, true},    // one of many steps
                                {3, 100, 64, 128, false, false},   // too few rows
                                {1, 1100, 64, 112, false, false},  // not wide
                                {1, 1100, 64, 136, false, false},  // not in whole vectors
                                {5, 256, 64, 128, true, false}};   // a term of another kind
  for (const Case& c : cases) {
    CAPTURE(c.steps, c.rows, c.in, c.width, c.other_term);
    const auto numbers = [&](std::int64_t columns, int seed) {  // whole ones: sums are exact
      Tensor x({c.rows, columns});
      std::int64_t i = seed;
      for (float& element : x.mutable_data<float>()) element = static_cast<float>(i++ * 7 % 5 - 2);
      return x;
    };
    std::vector<Tensor> found;
    for (const TapeOptions& options : {options_of(0), TapeOptions{}}) {
      Tape tape(options);
      const Variable w = tape.input(Tensor::full({c.in, c.width}, 1.0));
      Variable loss = tape.constant(0, Dtype::float32);
      for (int t = 0; t < c.steps; ++t) {
        loss =
            loss + sum(matmul(tape.input(numbers(c.in, t)), w) * tape.input(numbers(c.width, t)));
      }
      if (c.other_term) loss = loss + sum(w);
      const Variable dw = gradients(loss, {w}).front();
      const std::uint32_t root = dw.index();
      const Plan plan = make_plan(tape.state(), std::span(&root, 1), Keep::roots);
      const auto turns = std::ranges::count_if(plan.steps, [](const Plan::Step& step) {
        return step.op != nullptr && step.op->name() == "matmul.turn";
      });
      CHECK(turns == (found.size() == 1 && c.turns ? 1 : 0));
      evaluate({dw});
      found.push_back(dw.value());
    }
    CHECK(found[1].identical(found[0]));
  }
}
TEST_CASE("a product that is asked for keeps its way round within a sum", "[passes]") {
  const Tensor x = random_uniform({1100, 64}, 1, -1, 1, Dtype::float32);
  const Tensor y = random_uniform({1100, 64}, 2, -1, 1, Dtype::float32);
  std::vector<Tensor> found;
  for (const TapeOptions& options : {options_of(0), TapeOptions{}}) {
    Tape tape(options);
    const Variable w = tape.input(Tensor::full({64, 128}, 0.5)), v = w + 0.0;
    const Variable loss = sum(matmul(tape.input(x), v)) + sum(matmul(tape.input(y), w));
    const Variables d = gradients(loss, {v, w});  // d[1] is d[0] and another product
    evaluate({d[0], d[1]});
    found.push_back(d[0].value());
    found.push_back(d[1].value());
  }
  double worst = 0;
  for (std::int64_t i = 0; i < found[0].shape().size(); ++i) {
    worst = std::max({worst, std::abs(found[2].at(i) - found[0].at(i)),
                      std::abs(found[3].at(i) - found[1].at(i))});
  }
  CHECK(worst < 1e-3);
}
