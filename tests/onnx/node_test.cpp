// ONNX's published node tests (Debian's package libonnx-testdata) for the ops and layers that we
// have: read, computed and compared at a hundredth of the tolerance of ONNX's own test runner.
#include <algorithm>
#include <cmath>
#include <functional>

#include <unroll/autograd/tape.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/onnx/node_ops.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

const std::filesystem::path kNodeTests = "/usr/share/libonnx-testdata/data/node";

/// What is not computed, and why.
struct LeftOut {
  const char* reason;
  std::function<bool(const NodeTestCase& node)> applies;
};
const std::vector<LeftOut> kLeftOut{
    {"a dtype or rank that we do not have",
     [](const NodeTestCase& node) {
       const auto foreign = [](const auto& tensor) { return tensor && !tensor->value; };
       return std::any_of(node.inputs.begin(), node.inputs.end(), foreign) ||
              std::any_of(node.outputs.begin(), node.outputs.end(), foreign);
     }},
    {"of equal elements argmax gives the first",
     [](const NodeTestCase& node) { return node.integer("select_last_index", 0) != 0; }},
    {"whole numbers have no power",
     [](const NodeTestCase& node) {
       return node.op == "Pow" && !is_floating(node.input(0).dtype());
     }},
    {"cross_entropy has no class weights",
     [](const NodeTestCase& node) { return node.op == "SoftmaxCrossEntropyLoss" && node.has(2); }},
    {"steps are positive",
     [](const NodeTestCase& node) {
       return node.op == "Slice" && node.has(4) && node.input(4).at(0) < 0;
     }},
    {"bools have no largest, no elements neither",
     [](const NodeTestCase& node) {
       return (node.op == "ReduceMax" || node.op == "ReduceMin") &&
              (node.input(0).dtype() == Dtype::bool_ || node.input(0).size() == 0);
     }},
    {"gelu is the exact one",
     [](const NodeTestCase& node) {
       return node.op == "Gelu" && node.text("approximate", "none") != "none";
     }},
};

/// numpy.testing.assert_allclose, where ONNX's runner has 1e-3 in place of 1e-5.
void check_output(const Tensor& got, const Tensor& expected) {
  REQUIRE(got.shape() == expected.shape());
  const bool exact = !is_floating(expected.dtype());
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double a = got.at(i), b = expected.at(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    CHECK(std::abs(a - b) <= (exact ? 0 : 1e-7 + 1e-5 * std::abs(b)));
  }
}

}  // namespace

TEST_CASE("ONNX's node tests pass for the ops and layers that we have", "[onnx]") {
  if (!std::filesystem::exists(kNodeTests)) {
    WARN("left out: the package libonnx-testdata is not installed");
    return;
  }
  std::map<std::string, int> passed;
  int total = 0, left_out = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kNodeTests)) {
    INFO(entry.path().filename().string());
    const auto test =
        read_node_test(entry.path(), [](auto& op) { return node_ops().contains(op); });
    if (!test) continue;
    if (std::any_of(kLeftOut.begin(), kLeftOut.end(),
                    [&](const LeftOut& part) { return part.applies(*test); })) {
      ++left_out;
      continue;
    }
    Tape tape;
    const Variables outputs = node_ops().at(test->op)(tape, *test);
    for (std::size_t i = 0; i < test->outputs.size(); ++i) {
      if (!test->outputs[i]) continue;
      REQUIRE(i < outputs.size());
      check_output(outputs[i].value(), *test->outputs[i]->value);
    }
    ++passed[test->op];
    ++total;
  }
  CHECK(total >= 272);  // ONNX 1.12; there are 277 in 1.17
  CHECK(left_out <= 62);
  CHECK(passed.size() + 1 >= node_ops().size());  // Gelu is in ONNX since 1.14
}
