// One small ragged batch and a cell that gives it back, for tests of cells and layers.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/autograd/random.h>
#include <unroll/autograd/tape.h>
#include <unroll/nn/parameter.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

inline constexpr std::int64_t kSteps = 4, kBatch = 3, kIn = 2, kHidden = 5;
inline const std::vector<std::int32_t> kLengths{2, 4, 0};

/// Its output is its input.
struct Echo {
  Variable initial_state(const Variable& like, std::int64_t batch) const {
    return nn::zeros_like(like, {batch, kHidden});
  }
  Variable step(const Variable& x, const Variable&) const { return x; }
};

/// [kSteps, kBatch, kIn], where padded steps hold `pad`.
inline Variable input_on(Tape& tape, double pad = 3) {
  Tensor x = random_uniform({kSteps, kBatch, kIn}, 11).to(Dtype::float32);
  const auto values = x.mutable_data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto t = static_cast<std::int32_t>(i / (kBatch * kIn));
    if (t >= kLengths[i / kIn % kBatch]) values[i] = static_cast<float>(pad);
  }
  return tape.input(x);
}

inline void check_near(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(a.at(i) == Approx(b.at(i)).margin(1e-6));
}

}  // namespace unroll::testing
