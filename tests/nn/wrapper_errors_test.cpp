// Cells around cells: an error names the line that called the outermost, and leaves no node behind.
#include <unroll/autograd/error.h>
#include <unroll/nn/nn.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 3, kIn = 2, kHidden = 4;

/// A step on rows of zeros, which has to fail.
template <class Cell>
std::string check_refused(const Cell& cell, std::int64_t width) {
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{kBatch, width}));
  const auto state = cell.initial_state(x, kBatch);
  const std::size_t before = tape.size();
  std::string message = thrown_message([&] { cell.step(x, state); });
  INFO(message);
  CHECK(message.starts_with("tests/nn/wrapper_errors_test.cpp:" + std::to_string(__LINE__ - 2)));
  CHECK(tape.size() == before);
  return message;
}

}  // namespace

TEST_CASE("Cells around cells name their caller's line", "[nn]") {
  nn::ParameterSet parameters;
  const nn::GRUCell gru(parameters.scope("gru"), kIn, kHidden);
  const std::int64_t narrow = kIn - 1;
  check_refused(nn::Residual(gru), narrow);
  check_refused(nn::RecurrentDropout(gru, 0.5), narrow);
  check_refused(nn::Zoneout(gru, {0.5}), narrow);
  check_refused(nn::LearnedState(parameters.scope("learned"), gru), narrow);
  check_refused(nn::StackedCell(std::vector{gru}), narrow);
  check_refused(nn::StackedCell(std::vector{nn::Zoneout(nn::RecurrentDropout(gru, 0.5), {0.1})}),
                narrow);
}

TEST_CASE("Layers that were computed before one failed leave nothing behind", "[nn]") {
  nn::ParameterSet parameters;
  const nn::StackedCell uneven(std::vector{nn::GRUCell(parameters.scope("0"), kIn, kHidden),
                                           nn::GRUCell(parameters.scope("1"), kIn, kHidden)});
  check_refused(uneven, kIn);
}

TEST_CASE("What a cell around a cell adds belongs to its caller's line", "[nn]") {
  nn::ParameterSet parameters;
  const nn::Residual residual(nn::GRUCell(parameters.scope("gru"), kIn, kHidden));
  CHECK(contains(check_refused(residual, kIn),
                 "residual connection: got the input [3, 2] and the output [3, 4]"));
}
