// Checks of sizes and rates.
#include <unroll/nn/arguments.h>

#include <fmt/format.h>

#include <cmath>

#include <unroll/autograd/error.h>

namespace unroll::nn::detail {

void expect_sizes(std::string_view layer,
                  std::initializer_list<std::pair<const char*, std::int64_t>> sizes) {
  for (const auto& [name, size] : sizes) {
    if (size >= 0 && size <= std::int64_t{1} << 40) continue;
    throw ShapeError(fmt::format("{}: {} is {}; expected 0 to 2^40", layer, name, size));
  }
}

void expect_rank(std::string_view layer, const char* argument, const Shape& shape, int rank) {
  if (shape.rank() == rank) return;
  throw ShapeError(fmt::format("{}: {} has shape {}; expected rank {}", layer, argument,
                               to_string(shape), rank));
}

std::size_t layer_count(std::string_view stack, int layers, int least) {
  constexpr int kMost = 65536;
  if (layers >= least && layers <= kMost) return static_cast<std::size_t>(layers);
  throw ValueError(
      fmt::format("{}: got {} layers; expected {} to {}", stack, layers, least, kMost));
}

void expect_rate(std::string_view layer, const char* argument, double rate) {
  if (rate >= 0 && rate < 1) return;
  throw ValueError(
      fmt::format("{}: {} is {}; expected 0 <= {} < 1", layer, argument, rate, argument));
}

void expect_epsilon(std::string_view layer, double epsilon) {
  if (epsilon >= 0 && std::isfinite(epsilon)) return;
  throw ValueError(fmt::format("{}: epsilon is {}; expected a finite number >= 0", layer, epsilon));
}

}  // namespace unroll::nn::detail
