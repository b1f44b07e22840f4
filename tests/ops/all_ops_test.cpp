// Every op of the library: its gradient is checked, or it says why it has none.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <unroll/autograd/tape_state.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/support/accumulation.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/layouts.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

std::set<std::string> names_of_ops_recorded_by(const Sample& sample) {
  Tape tape;
  Variables inputs;
  for (const Tensor& input : sample.inputs) inputs.push_back(tape.input(input));
  sample.call(inputs);
  std::set<std::string> names;
  for (const Node& node : tape.state().nodes) names.insert(node.op->name());
  return names;
}

}  // namespace

TEST_CASE("every op has gradient samples or a reason why not", "[ops]") {
  std::set<std::string> covered;
  for (const Sample& sample : all_samples()) covered.insert(sample.op);
  for (const auto& [op, reason] : ops_without_gradient()) covered.insert(op);
  std::size_t count = 0;
  for (const Op* op : all_ops()) {
    if (op->traits().internal) continue;
    ++count;
    INFO("op " << op->name() << " has no Samples and no NoGradientOp in tests/ops");
    CHECK(covered.count(op->name()) == 1);
  }
  CHECK(count >= 50);
}

TEST_CASE("every op that has a gradient is called by a dozen samples", "[ops]") {
  std::map<std::string, int> calls;
  for (const Sample& sample : all_samples()) {
    INFO("sample of " << sample.op);
    calls[sample.op] += names_of_ops_recorded_by(sample).count(sample.op) == 1 ? 1 : 0;
  }
  for (const auto& [op, count] : calls) {
    INFO("op " << op);
    CHECK(count >= 12);
  }
}

TEST_CASE("gradients of all ops, in every layout", "[ops][gradcheck]") {
  constexpr std::array kLayouts{transposed, strided, shared};
  int first = 0, second = 0;
  for (const Sample& sample : all_samples()) {
    std::vector<Sample> held{sample};
    for (const auto layout : kLayouts) {
      if (const auto other = layout(sample)) held.push_back(*other);
    }
    for (const Sample& one : held) {
      const GradcheckReport report = gradcheck(one.call, one.inputs);
      INFO(one.op << " of " << to_string(one.inputs[0].shape()) << ": " << report.message);
      CHECK(report.ok);
      ++first;
      if (!one.second_order) continue;
      const GradcheckReport again = gradgradcheck(one.call, one.inputs);
      INFO("second order: " << again.message);
      CHECK(again.ok);
      ++second;
    }
  }
  CHECK(first >= 4800);
  CHECK(second >= 4800);
}

TEST_CASE("gradients of all ops add up, and change nothing they read", "[ops]") {
  int checked = 0;
  for (const Sample& sample : all_samples()) {
    INFO(sample.op << " of " << to_string(sample.inputs[0].shape()));
    ParameterSet parameters(0, Dtype::float64);
    for (const Tensor& input : sample.inputs) {
      if (!is_floating(input.dtype())) continue;
      parameters.create("x" + std::to_string(parameters.size()), input);
    }
    check_accumulation(parameters, [&](Tape& tape, Variables& read) {
      std::size_t next = 0;
      for (const Tensor& input : sample.inputs) {
        read.push_back(is_floating(input.dtype()) ? tape.use(parameters[next++])
                                                  : tape.input(input));
      }
      const Variable y = sample.call(read), upstream = tape.input(random_normal(y.shape(), 3));
      // The second term is for the ops whose derivative is 0.
      const Variable loss = sum(y * upstream) + 0.25 * sum(tape.use(parameters[0]));
      read.push_back(y);
      read.push_back(upstream);
      return loss;
    });
    ++checked;
  }
  CHECK(checked >= 1000);
}

TEST_CASE("the gradient by an input does not depend on what else is asked for", "[ops]") {
  int checked = 0;
  for (const Sample& sample : all_samples()) {
    INFO(sample.op << " of " << to_string(sample.inputs[0].shape()));
    Tape tape;
    Variables inputs, wrt;
    for (const Tensor& input : sample.inputs) {
      inputs.push_back(tape.input(input));
      if (is_floating(input.dtype())) wrt.push_back(inputs.back());
    }
    if (wrt.size() < 2) continue;
    const Variable y = sample.call(inputs);
    const Variables outputs{y}, cotangents{tape.input(random_normal(y.shape(), 3))};
    const Variables together = vector_jacobian_product(outputs, cotangents, wrt);
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      const Variables alone = vector_jacobian_product(outputs, cotangents, std::span(&wrt[i], 1));
      CHECK(alone[0].defined() == together[i].defined());
      if (alone[0].defined()) CHECK(alone[0].value().identical(together[i].value()));
    }
    ++checked;
  }
  CHECK(checked >= 500);
}

TEST_CASE("ops without gradient say so", "[ops]") {
  for (const auto& [name, reason] : ops_without_gradient()) {
    INFO(name);
    CHECK(!reason.empty());
    CHECK(std::ranges::any_of(all_ops(),
                              [&wanted = name](const Op* op) { return op->name() == wanted; }));
  }
}
