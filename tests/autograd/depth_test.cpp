// Depth is no problem: a chain of a million nodes on a small stack, in linear time.
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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

/// Seconds for recording, differentiating and running a chain.
double seconds_for(int length) {
  const auto start = std::chrono::steady_clock::now();
  Tape tape;
  const Variable x = tape.input(Tensor::scalar(0.5));
  const Variable y = chain(tape, x, length), dx = gradients(y, {x})[0];
  evaluate({y, dx});
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median_seconds(int length) {
  std::array<double, 5> seconds{};
  for (double& s : seconds) s = seconds_for(length);
  std::ranges::sort(seconds);
  return seconds[2];
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
  seconds_for(100000);  // warm
  const double ratio = median_seconds(1000000) / median_seconds(100000);
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
