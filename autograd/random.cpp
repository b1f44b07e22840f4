// Philox and what is drawn from it.
#include <unroll/autograd/random.h>

#include <cmath>
#include <numbers>

#include <unroll/autograd/error.h>

namespace unroll {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter, std::uint64_t high) {
  const auto lower = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto upper = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  std::uint32_t k0 = lower(key), k1 = upper(key);
  std::uint32_t c0 = lower(counter), c1 = upper(counter), c2 = lower(high), c3 = upper(high);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c2;
    const std::uint32_t next0 = upper(p1) ^ c1 ^ k0, next2 = upper(p0) ^ c3 ^ k1;
    c0 = next0;
    c1 = lower(p1);
    c2 = next2;
    c3 = lower(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a * 0x9E3779B97F4A7C15 + b + 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::uint32_t Random::bits() {
  if (used_ == 4) {
    block_ = philox(key_, counter_++);
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

double Random::uniform() {
  const std::uint64_t high = bits() >> 5, low = bits() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::uint32_t Random::below(std::uint32_t bound) {
  if (bound == 0) throw ValueError("Random::below: the bound is 0; expected at least 1");
  const std::uint32_t reject_under = (0u - bound) % bound;
  while (true) {
    const std::uint64_t product = std::uint64_t{bits()} * bound;
    if (static_cast<std::uint32_t>(product) >= reject_under) {
      return static_cast<std::uint32_t>(product >> 32);
    }
  }
}

namespace {
template <class Draw>
Tensor filled(const Shape& shape, Dtype dtype, Draw draw) {
  if (!is_floating(dtype)) throw DtypeError("random tensor: the dtype must be floating");
  Tensor result = Tensor::uninitialized(shape, Dtype::float64);
  for (double& x : result.mutable_data<double>()) x = draw();
  return result.to(dtype);
}
}  // namespace

Tensor random_uniform(const Shape& shape, std::uint64_t seed, double low, double high,
                      Dtype dtype) {
  Random random(seed);
  return filled(shape, dtype, [&] { return low + (high - low) * random.uniform(); });
}

Tensor random_normal(const Shape& shape, std::uint64_t seed, double mean, double deviation,
                     Dtype dtype) {
  Random random(seed);
  return filled(shape, dtype, [&] { return mean + deviation * random.normal(); });
}

}  // namespace unroll
