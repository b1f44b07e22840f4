// Every op of the library: its gradient is checked, or it says why it has none.
#include <algorithm>
#include <set>

#include <unroll/autograd/tape_state.h>
#include <unroll/tests/support/catch.h>
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

TEST_CASE("samples call the op they are named after", "[ops]") {
  for (const Sample& sample : all_samples()) {
    INFO("sample of " << sample.op);
    CHECK(names_of_ops_recorded_by(sample).count(sample.op) == 1);
  }
}

TEST_CASE("first-order gradients of all ops", "[ops][gradcheck]") {
  for (const Sample& sample : all_samples()) {
    const GradcheckReport report = gradcheck(sample.call, sample.inputs);
    INFO(sample.op << ": " << report.message);
    CHECK(report.ok);
  }
}

TEST_CASE("second-order gradients of all ops", "[ops][gradcheck]") {
  for (const Sample& sample : all_samples()) {
    if (!sample.second_order) continue;
    const GradcheckReport report = gradgradcheck(sample.call, sample.inputs);
    INFO(sample.op << ": " << report.message);
    CHECK(report.ok);
  }
}

TEST_CASE("ops without gradient say so", "[ops]") {
  for (const auto& [name, reason] : ops_without_gradient()) {
    INFO(name);
    CHECK(!reason.empty());
    CHECK(std::ranges::any_of(all_ops(),
                              [&wanted = name](const Op* op) { return op->name() == wanted; }));
  }
}
