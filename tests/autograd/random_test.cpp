// Random numbers: known answers, and that the distributions are what they say.
#include <algorithm>
#include <cmath>
#include <set>

#include <unroll/autograd/error.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;

TEST_CASE("Philox 4x32-10 gives the published answers", "[random]") {
  // The known-answer vectors that come with Random123.
  using Block = std::array<std::uint32_t, 4>;
  CHECK(philox(0, 0) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(philox(ones, ones, ones) == Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // Digits of pi.
  CHECK(philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream reads the blocks in order", "[random]") {
  Random random(42);
  for (std::uint64_t block = 0; block < 3; ++block) {
    for (const std::uint32_t word : philox(42, block)) CHECK(random.bits() == word);
  }
}

TEST_CASE("uniform numbers are uniform", "[random]") {
  Random random(1);
  const int n = 100000;
  double sum = 0, square_sum = 0;
  std::array<int, 10> bins{};
  for (int i = 0; i < n; ++i) {
    const double x = random.uniform();
    REQUIRE(x >= 0);
    REQUIRE(x < 1);
    sum += x;
    square_sum += x * x;
    ++bins[static_cast<std::size_t>(x * 10)];
  }
  CHECK(sum / n == Approx(0.5).margin(0.004));
  CHECK(square_sum / n == Approx(1.0 / 3).margin(0.004));
  // Chi square with 9 degrees of freedom: 27.9 is the 99.9th percentile.
  double chi = 0;
  for (const int count : bins) chi += std::pow(count - n / 10, 2) / (n / 10);
  CHECK(chi < 27.9);
}

TEST_CASE("normal numbers are normal", "[random]") {
  const Tensor x = random_normal({100000}, 2, 3, 2);
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
  for (const double v : x.data<double>()) mean += v / n;
  for (const double v : x.data<double>()) variance += (v - mean) * (v - mean) / n;
  for (const double v : x.data<double>()) {
    const double z = (v - mean) / std::sqrt(variance);
    skew += z * z * z / n;
    kurtosis += z * z * z * z / n;
  }
  CHECK(mean == Approx(3).margin(0.03));
  CHECK(variance == Approx(4).margin(0.08));
  CHECK(skew == Approx(0).margin(0.04));
  CHECK(kurtosis == Approx(3).margin(0.08));
}

TEST_CASE("below has no favourites", "[random]") {
  Random random(3);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  double chi = 0;
  for (const int count : counts) chi += std::pow(count - 10000, 2) / 10000;
  CHECK(chi < 22.5);  // 99.9th percentile with 6 degrees of freedom
  CHECK(random.below(1) == 0);
  CHECK(random.below(0xFFFFFFFF) < 0xFFFFFFFF);
  CHECK_THROWS_AS(random.below(0), ValueError);
}

TEST_CASE("keys and names mix into different streams", "[random]") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 100; ++a) {
    for (std::uint64_t b = 0; b < 100; ++b) seen.insert(mix(a, b));
  }
  CHECK(seen.size() == 10000);
  CHECK(hash_of("") == 0xCBF29CE484222325);  // FNV-1a's offset and published values
  CHECK(hash_of("a") == 0xAF63DC4C8601EC8C);
  CHECK(hash_of("foobar") == 0x85944171F73967E8);
}

TEST_CASE("random tensors depend on their seed and lie in their range", "[random]") {
  const Tensor x = random_uniform({1000}, 5, -3, 4, Dtype::float32);
  for (const float v : x.data<float>()) {
    REQUIRE(v >= -3);
    REQUIRE(v < 4);
  }
  CHECK(x.identical(random_uniform({1000}, 5, -3, 4, Dtype::float32)));
  CHECK_FALSE(x.identical(random_uniform({1000}, 6, -3, 4, Dtype::float32)));
  CHECK(random_normal({0}, 1).size() == 0);
  CHECK_THROWS_AS(random_uniform({2}, 1, 0, 1, Dtype::int32), DtypeError);
}
