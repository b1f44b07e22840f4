// Bad calls: whatever argument is spoiled, the call says who called what with what, changes
// nothing, and a right call after it gives the same bits.
#include <algorithm>
#include <set>

#include <unroll/autograd/error.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/tests/faults/spoils.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

/// What is wrong with the outcome of a bad call; empty: nothing.
struct Verdict {
  bool refused = false;
  std::string complaint;
};

bool names_place(const std::string& message, const World& world) {
  return std::ranges::any_of(world.lines, [&](const Location& line) {
    return message.starts_with(to_string(line) + ": ");
  });
}

std::string complaint_about(const std::string& message, const Call& call, const Spoil& spoil,
                            const World& world) {
  // A Shape in braces is made by the caller before the call.
  if (message.starts_with("Shape: ")) return "";
  if (call.has_place && !names_place(message, world)) return "no line of the caller";
  // Data is seen by the op that reads it.
  if (!spoil.in_data && !contains(message, call.function)) return "no name of the function";
  if (!contains(message, spoil.shown)) return "not what it got";
  return "";
}

Verdict outcome(const Call& call, std::size_t argument, const Spoil& spoil,
                const std::vector<Tensor>& right) {
  World world(call);
  spoil.apply(world, argument);
  const World& now = world;
  std::string before = now.state();
  Verdict verdict;
  std::string message;
  try {
    const Result result = call.call(world);
    if (!spoil.in_data) return verdict;
    before = now.state();
    bits_of(world, result);
    return verdict;
  } catch (const Error& error) {
    message = error.what();
  } catch (const std::exception& error) {
    verdict.complaint = "threw no unroll::Error";
    message = error.what();
  }
  verdict.refused = true;
  if (verdict.complaint.empty()) verdict.complaint = complaint_about(message, call, spoil, world);
  if (now.state() != before) verdict.complaint += " changed something";
  // The right call, with the arguments as they were before the tape knew of any other.
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    const Argument& own = call.arguments[i];
    if (own.kind == Argument::Kind::array) world.variables[i] = world.tape.input(own.value);
    world.wholes[i] = static_cast<std::int64_t>(own.number);
    world.numbers[i] = own.number;
  }
  try {
    const std::vector<Tensor> again = bits_of(world, call.call(world));
    if (!std::ranges::equal(again, right, &Tensor::identical)) verdict.complaint += " other bits";
  } catch (const std::exception& error) {
    verdict.complaint += std::string(" the right call throws: ") + error.what();
  }
  if (!verdict.complaint.empty()) verdict.complaint += " | " + message;
  return verdict;
}

}  // namespace

TEST_CASE("bad calls are refused, named, and change nothing", "[faults]") {
  int refused = 0;
  for (const Call& call : all_calls()) {
    World world(call);
    const std::vector<Tensor> right = bits_of(world, call.call(world));
    const auto arrays = std::ranges::count(call.arguments, Argument::Kind::array, &Argument::kind);
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
      for (const Spoil& spoil : spoils_of(call.arguments[i])) {
        if (spoil.name == "foreign" && arrays == 1) continue;  // the tape of the call, then
        const Verdict verdict = outcome(call, i, spoil, right);
        INFO(call.function << ", " << call.arguments[i].name << ": " << spoil.name);
        INFO(verdict.complaint);
        if (!verdict.refused) CHECK(spoil.legal);
        CHECK(verdict.complaint.empty());
        refused += verdict.refused ? 1 : 0;
      }
    }
  }
  CHECK(refused >= 3600);
}

TEST_CASE("every op has a line in the table of calls", "[faults]") {
  std::set<std::string> recorded;
  for (const Call& call : all_calls()) {
    World world(call);
    call.call(world);
    for (const Node& node : world.tape.state().nodes) recorded.insert(node.op->name());
  }
  for (const Op* op : all_ops()) {
    if (op->traits().internal || op->name().starts_with("test.")) continue;
    INFO("op " << op->name() << " is called by no line of tests/faults");
    CHECK(recorded.contains(op->name()));
  }
}
