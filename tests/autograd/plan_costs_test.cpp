// What a pass saves, program by program: mistakes that change no result, only the work.
#include <algorithm>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/plan.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

Plan plan_of(const Variables& roots) {
  std::vector<std::uint32_t> indices;
  for (const Variable& root : roots) indices.push_back(root.index());
  return make_plan(roots.front().state(), indices, Keep::roots);
}

std::int64_t count_steps(const Plan& plan, std::string_view op, bool accumulating = false) {
  return std::ranges::count_if(plan.steps, [&](const Plan::Step& step) {
    return step.op != nullptr && step.op->name() == op && (!accumulating || step.accumulate);
  });
}

Variable filled(Tape& tape, const Shape& shape, Dtype dtype = Dtype::float64) {
  return tape.input(Tensor::full(shape, 0.5, dtype));
}

/// The steps `op` that add to what is there, in the gradient by x of f(x) + f(x).
std::int64_t accumulating(std::string_view op, const Shape& shape,
                          const std::function<Variable(Tape&, const Variable&)>& f) {
  Tape tape({.passes = {.batch = false}});
  const Variable x = filled(tape, shape);
  return count_steps(plan_of(gradients(sum(f(tape, x)) + sum(f(tape, x) * 2.0), {x})), op, true);
}

}  // namespace

TEST_CASE("derivatives that can, add themselves to a sum", "[passes]") {
  const Tensor ids(Shape{3}, {1, 0, 1});
  CHECK(accumulating("layer_norm.gain_grad", {4}, [](Tape& tape, const Variable& gain) {
          return layer_norm(tape.input(Tensor(Shape{1, 4}, {1.0, 2.0, 4.0, 8.0})), gain,
                            filled(tape, {4}));
        }) == 1);
  CHECK(accumulating("rows.grad", {2, 3}, [&](Tape& tape, const Variable& table) {
          return rows(table, tape.input(ids));
        }) == 1);
  CHECK(accumulating("take_rows.grad", {2, 3}, [&](Tape& tape, const Variable& x) {
          return take_rows(x, tape.input(ids));
        }) == 1);
  CHECK(accumulating("matmul", {2, 3}, [&](Tape& tape, const Variable& w) {
          return matmul(filled(tape, {4, 2}), w);
        }) == 1);
}

TEST_CASE("a matrix is laid out where enough rows and more than one product read it", "[passes]") {
  const auto packed = [](std::int64_t products, std::int64_t rows) {
    Tape tape({.passes = {.batch = false}});
    const Variable w = filled(tape, {32, 32}, Dtype::float32);
    Variables results;
    for (std::int64_t i = 0; i < products; ++i) {
      results.push_back(matmul(filled(tape, {rows, 32}, Dtype::float32), w));
    }
    const Plan plan = plan_of(results);
    CHECK(count_steps(plan, "matmul") + count_steps(plan, "matmul.packed") == products);
    return count_steps(plan, "pack");
  };
  CHECK(packed(1, 64) == 0);
  CHECK(packed(2, 7) == 0);
  CHECK(packed(2, 8) == 1);
}

TEST_CASE("a chain of functions takes two registers in turn", "[passes]") {
  Tape tape;
  Variable y = filled(tape, {8});
  for (int i = 0; i < 8; ++i) y = tanh(y);
  const Plan plan = plan_of({y});
  REQUIRE(plan.fused.size() == 1);
  CHECK(plan.fused[0].instructions.size() == 8);
  CHECK(plan.fused[0].registers == 2);
}
