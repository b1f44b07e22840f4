// Cells around cells: an error names the line that called the outermost, and leaves no node behind.
#include <unroll/autograd/error.h>
#include <unroll/nn/nn.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

constexpr std::int64_t kBatch = 3, kIn = 2, kHidden = 4;

template <class Cell>
void check_line(const Cell& cell) {
  Tape tape;
  const Variable narrow = tape.input(Tensor(Shape{kBatch, kIn - 1}));
  const auto state = cell.initial_state(narrow, kBatch);
  const std::size_t before = tape.size();
  const std::string message = thrown_message([&] { cell.step(narrow, state); });
  INFO(message);
  CHECK(message.starts_with("tests/nn/wrapper_errors_test.cpp:" + std::to_string(__LINE__ - 2)));
  CHECK(tape.size() == before);
}

}  // namespace

TEST_CASE("Cells around cells name their caller's line", "[nn]") {
  nn::ParameterSet parameters;
  const nn::GRUCell gru(parameters.scope("gru"), kIn, kHidden);
  check_line(nn::Residual(gru));
  check_line(nn::RecurrentDropout(gru, 0.5));
  check_line(nn::Zoneout(gru, {0.5}));
  check_line(nn::LearnedState(parameters.scope("learned"), gru));
  check_line(nn::StackedCell(std::vector{gru}));
  check_line(nn::StackedCell(std::vector{nn::Zoneout(nn::RecurrentDropout(gru, 0.5), {0.1})}));
}

TEST_CASE("Layers that were computed before one failed leave nothing behind", "[nn]") {
  nn::ParameterSet parameters;
  const nn::StackedCell uneven(std::vector{nn::GRUCell(parameters.scope("0"), kIn, kHidden),
                                           nn::GRUCell(parameters.scope("1"), kIn, kHidden)});
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{kBatch, kIn}));
  const auto state = uneven.initial_state(x, kBatch);
  const std::size_t before = tape.size();
  const std::string message = thrown_message([&] { uneven.step(x, state); });
  INFO(message);
  CHECK(message.starts_with("tests/nn/wrapper_errors_test.cpp:" + std::to_string(__LINE__ - 2)));
  CHECK(tape.size() == before);
}

TEST_CASE("What a cell around a cell adds belongs to its caller's line", "[nn]") {
  nn::ParameterSet parameters;
  const nn::GRUCell gru(parameters.scope("gru"), kIn, kHidden);
  const nn::Residual residual(gru);
  Tape tape;
  const Variable x = tape.input(Tensor(Shape{kBatch, kIn}));
  const auto state = residual.initial_state(x, kBatch);
  const std::size_t before = tape.size();
  const std::string message = thrown_message([&] { residual.step(x, state); });
  INFO(message);
  CHECK(message.starts_with("tests/nn/wrapper_errors_test.cpp:" + std::to_string(__LINE__ - 2)));
  CHECK(contains(message, "residual connection: got the input [3, 2] and the output [3, 4]"));
  CHECK(tape.size() == before);
}
