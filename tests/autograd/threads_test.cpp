// Tapes of their own on threads of their own share parameters, constants of the library and the
// memory that values give back; nothing else, so every thread computes what one alone does.
#include <thread>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/nn.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

namespace {

/// The losses and the last gradients of a few steps of changing structure, whose plans come again.
std::vector<Tensor> steps(const ParameterSet& parameters, const nn::LSTM& lstm) {
  std::vector<Tensor> results;
  Tape tape;
  for (int i = 0; i < 8; ++i) {
    tape.reset(static_cast<std::uint64_t>(i));
    const Tensor x = random_uniform({3 + i % 3, 2, 5}, 7, -1, 1, Dtype::float32);
    const Variable loss = sum(square(dropout(lstm(tape.input(x)).outputs, 0.2)));
    const Gradients found = gradients(loss, parameters);
    results.push_back(loss.value());
    if (i < 7) continue;
    for (const Parameter& p : parameters) results.push_back(found[p]);
  }
  return results;
}

}  // namespace

TEST_CASE("tapes on several threads compute what one computes", "[threads]") {
  ParameterSet parameters(1);
  const nn::LSTM lstm(parameters.scope("lstm"), 5, 6, {.layers = 2});
  const std::vector<Tensor> alone = steps(parameters, lstm);
  std::vector<std::vector<Tensor>> results(6);
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = steps(parameters, lstm); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) {
    REQUIRE(result.size() == alone.size());
    for (std::size_t k = 0; k < alone.size(); ++k) CHECK(result[k].identical(alone[k]));
  }
}
