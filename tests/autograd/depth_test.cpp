// Depth is no problem: a chain of a million nodes on a small stack, in linear time.
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

/// Runs `f` in a thread with `bytes` of stack.
void run_with_stack(std::size_t bytes, std::function<void()> f) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  const auto start = [](void* p) -> void* {
    (*static_cast<std::function<void()>*>(p))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, start, &f) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

Variable chain(Tape& tape, const Variable& x, int length) {
  Variable y = x;
  for (int i = 0; i < length; ++i) y = tanh(y);
  CHECK(tape.size() >= static_cast<std::size_t>(length));
  return y;
}

/// Seconds of processor time for recording, differentiating and running a chain: what other
/// programs on the machine do does not count, nor, on a tape that has its memory, does what the
/// system takes to hand out pages.
double seconds_for(Tape& tape, int length) {
  const std::clock_t start = std::clock();
  tape.reset();
  const Variable x = tape.input(Tensor::scalar(0.5));
  const Variable y = chain(tape, x, length), dx = gradients(y, {x})[0];
  evaluate({y, dx});
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("a chain of a million tanh fits a stack of 256 KiB", "[depth]") {
  const int length = 1000000;
  double value = 0, gradient = 0, by_value = 0;
  std::size_t lines = 0;
  run_with_stack(std::size_t{256} << 10, [&] {
    Tape tape;
    const Variable x = tape.input(Tensor::scalar(0.5, Dtype::float64));
    const Variable y = chain(tape, x, length);
    const Variable dx = gradients(y, {x})[0];
    evaluate({y, dx});
    value = y.item();
    gradient = dx.item();
    const std::string text = to_string(tape);
    lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    by_value = tanh(chain(tape, x, 1000)).item();
  });
  double expected = 0.5, slope = 1;
  for (int i = 0; i < length; ++i) {
    expected = std::tanh(expected);
    slope *= 1 - expected * expected;
  }
  CHECK(value == Approx(expected).epsilon(1e-9));
  CHECK(gradient == Approx(slope).epsilon(1e-9));
  CHECK(lines == 2 * static_cast<std::size_t>(length) + 2);  // x, chain, seed, derivatives
  CHECK(by_value > value);
}

TEST_CASE("time is linear in the length of the chain", "[depth]") {
  // The quickest of several runs in turn is the one that was disturbed least. Each makes its plan:
  // that of the longer chain is too large to be kept.
  Tape tape({.passes = {.cache = false}});
  double longer = seconds_for(tape, 1000000), shorter = seconds_for(tape, 100000);
  for (int round = 0; round < 4; ++round) {
    shorter = std::min(shorter, seconds_for(tape, 100000));
    longer = std::min(longer, seconds_for(tape, 1000000));
    shorter = std::min(shorter, seconds_for(tape, 100000));
  }
  const double ratio = longer / shorter;
  INFO("ratio " << ratio);
  CHECK(ratio <= 15);
}

TEST_CASE("asking for one value after another is not quadratic", "[depth]") {
  Tape tape;
  Variable y = tape.input(Tensor::scalar(0.5));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100000; ++i) {
    y = tanh(y);
    y.value();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  CHECK(seconds.count() < 10);  // 5e9 steps if it were
}
