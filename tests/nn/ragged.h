// Ragged batches whose sequences hold the same numbers wherever they are: alone, in another order,
// beside other sequences, and with anything in the pads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <unroll/autograd/random.h>
#include <unroll/nn/lengths.h>

namespace unroll::testing {

/// One side of a batch. Everything in it is a function of the keys of its sequences.
struct Ragged {
  std::vector<std::uint64_t> keys;
  std::vector<std::int32_t> lengths;
  std::int64_t steps = 0;
  bool poisoned = false;  ///< pads hold NaN, or ids that are not those of the clean batch

  std::int64_t batch() const { return std::ssize(keys); }
  bool real(std::int64_t t, std::int64_t b) const {
    return t < lengths[static_cast<std::size_t>(b)];
  }

  /// [T, B, width] in [-1, 1), pads 0 or NaN.
  Tensor values(std::int64_t width, Dtype dtype) const {
    Tensor result(Shape{steps, batch(), width}, Dtype::float64);
    const auto out = result.mutable_data<double>();
    const double pad = poisoned ? std::numeric_limits<double>::quiet_NaN() : 0;
    for (std::int64_t i = 0; i < std::ssize(out); ++i) {
      const std::int64_t t = i / (batch() * width), b = i / width % batch();
      out[static_cast<std::size_t>(i)] = real(t, b) ? number(b, 3, t * width + i % width) : pad;
    }
    return result.to(dtype);
  }
  /// int32 [T, B] in [0, bound), in the pads one of two numbers.
  Tensor ids(std::uint32_t bound, std::int32_t clean, std::int32_t poison) const {
    Tensor result(Shape{steps, batch()}, Dtype::int32);
    const auto out = result.mutable_data<std::int32_t>();
    for (std::int64_t i = 0; i < std::ssize(out); ++i) {
      const std::int64_t t = i / batch(), b = i % batch();
      out[static_cast<std::size_t>(i)] =
          real(t, b) ? static_cast<std::int32_t>(random(b, 5, t).below(bound))
                     : (poisoned ? poison : clean);
    }
    return result;
  }
  /// Of sequence b: one number in [-1, 1) per purpose and place.
  double number(std::int64_t b, std::uint64_t purpose, std::int64_t place) const {
    return 2 * random(b, purpose, place).uniform() - 1;
  }

  /// These sequences, in this order; `tight` without steps that are all padding.
  Ragged picked(std::span<const std::size_t> which, bool tight) const {
    Ragged result{{}, {}, tight ? 0 : steps, poisoned};
    for (const std::size_t b : which) {
      result.keys.push_back(keys[b]);
      result.lengths.push_back(lengths[b]);
      if (tight) result.steps = std::max<std::int64_t>(result.steps, lengths[b]);
    }
    return result;
  }

 private:
  Random random(std::int64_t b, std::uint64_t purpose, std::int64_t place) const {
    return Random(
        mix(mix(keys[static_cast<std::size_t>(b)], purpose), static_cast<std::uint64_t>(place)));
  }
};

/// Two sides of the same sequences: a source and its target, say.
struct RaggedPair {
  Ragged in, out;

  RaggedPair poisoned() const {
    RaggedPair result = *this;
    result.in.poisoned = result.out.poisoned = true;
    return result;
  }
  RaggedPair picked(std::span<const std::size_t> which, bool tight) const {
    return {in.picked(which, tight), out.picked(which, tight)};
  }
};

/// 1 to 5 sequences of 0 to 6 steps; now and then none, all full, or all empty.
inline RaggedPair random_ragged(std::uint64_t seed) {
  Random random(mix(seed, 17));
  const auto count = random.below(12) == 0 ? 0 : 1 + random.below(5);
  const auto side = [&](std::uint64_t salt) {
    Ragged result;
    result.steps = random.below(7);
    const auto kind = random.below(6);
    for (std::uint32_t b = 0; b < count; ++b) {
      const auto steps = static_cast<std::uint32_t>(result.steps);
      result.keys.push_back(mix(mix(seed, salt), b));
      result.lengths.push_back(static_cast<std::int32_t>(kind == 0   ? steps
                                                         : kind == 1 ? 0
                                                                     : random.below(steps + 1)));
    }
    return result;
  };
  return {side(1), side(2)};
}

}  // namespace unroll::testing
