// Counter-based random numbers (Philox 4x32-10): element i of a stream is a pure function of the
// key and i, so that the same numbers come out whatever thread or order draws them.
// Method: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <unroll/autograd/tensor.h>

namespace unroll {

/// Four uniform 32-bit words for block number `counter` of the stream `key`; `high` is the upper
/// half of the 128-bit counter.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter,
                                    std::uint64_t high = 0);

/// A key that depends on both arguments in every bit (the finaliser of SplitMix64).
std::uint64_t mix(std::uint64_t a, std::uint64_t b);

/// A stable hash of a name (64-bit FNV-1a).
std::uint64_t hash_of(std::string_view text);

/// A sequential reader of one stream, for shuffles and host-side sampling.
class Random {
 public:
  explicit Random(std::uint64_t key) : key_(key) {}
  /// Uniform in [0, 2^32).
  std::uint32_t bits();
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform();
  /// Standard normal (Box-Muller).
  double normal();
  /// Uniform in [0, bound), bound > 0, without modulo bias.
  std::uint32_t below(std::uint32_t bound);

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

/// Independent elements, uniform in [low, high); in float32 rounding may give `high` itself.
/// Throws DtypeError unless floating.
Tensor random_uniform(const Shape& shape, std::uint64_t seed, double low = -1, double high = 1,
                      Dtype dtype = Dtype::float64);
/// Independent elements, normal with this mean and standard deviation.
Tensor random_normal(const Shape& shape, std::uint64_t seed, double mean = 0, double deviation = 1,
                     Dtype dtype = Dtype::float64);

}  // namespace unroll
