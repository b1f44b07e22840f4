// Random programs three ways: with all passes in float32, eagerly in float32, and by finite
// differences in float64 along random directions.
#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/tests/autograd/mixed_programs.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr int kMostOps = 30;
constexpr int kPoints = 3;

struct RandomProgram {
  std::uint64_t seed;

  Shape shape() const {
    const std::vector<Shape> shapes{{4, 6}, {1, 5}, {5, 1}, {1, 1}, {2, 3}, {0, 4}, {6, 17}};
    return shapes[seed % shapes.size()];
  }
  Variable loss(Tape& tape, const ParameterSet& parameters) const {
    const int ops = 1 + static_cast<int>(mix(seed, 1) % kMostOps);
    const MixedOptions options{.detached = false, .parts = seed % 2 == 1};
    return MixedProgram(tape, parameters, seed, 1, options).record(ops).loss;
  }
  double value(const ParameterSet& parameters) const {
    Tape tape({.eager = true});
    return loss(tape, parameters).value().at(0);
  }
};

std::vector<Tensor> random_values(const ParameterSet& parameters, std::uint64_t seed,
                                  double largest) {
  std::vector<Tensor> values;
  for (const Parameter& p : parameters) {
    values.push_back(random_uniform(p.shape(), mix(seed, values.size()), -largest, largest));
  }
  return values;
}

void assign_moved(ParameterSet& parameters, const std::vector<Tensor>& values,
                  const std::vector<Tensor>& direction, double by) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Tensor moved = values[i];
    auto out = moved.mutable_data<double>();
    for (std::size_t k = 0; k < out.size(); ++k) out[k] += by * direction[i].data<double>()[k];
    parameters[i].assign(moved.to(parameters.dtype()));
  }
}

Gradients gradients_with(const RandomProgram& program, const ParameterSet& parameters,
                         const TapeOptions& options) {
  Tape tape(options);
  return gradients(program.loss(tape, parameters), parameters);
}

/// The derivative along a direction, and the size of what was added up for it.
struct Slope {
  double value = 0, size = 0;
};
Slope slope(const Gradients& gradients, const ParameterSet& parameters,
            const std::vector<Tensor>& direction) {
  Slope result;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor g = gradients[parameters[i]];
    for (std::int64_t k = 0; k < g.size(); ++k) {
      result.value += g.at(k) * direction[i].at(k);
      result.size += std::abs(g.at(k) * direction[i].at(k));
    }
  }
  return result;
}

Found all_of(const Gradients& gradients, const ParameterSet& parameters) {
  Found found;
  for (const Parameter& p : parameters) found.push_back(gradients[p]);
  return found;
}

/// The worst disagreement at one point, in units of what is allowed.
double disagreement(const RandomProgram& program, std::uint64_t point) {
  constexpr double kStep = 1e-6, kFloatTolerance = 2e-4, kDoubleTolerance = 1e-6;
  const auto [rows, columns] = std::pair(program.shape()[0], program.shape()[1]);
  ParameterSet parameters = mixed_parameters(rows, columns);
  const auto values = random_values(parameters, mix(program.seed, point), 0.5);
  const auto direction = random_values(parameters, mix(program.seed, 100 + point), 1);

  assign_moved(parameters, values, direction, 0);
  const Gradients eager = gradients_with(program, parameters, {.eager = true});
  const Gradients passes = gradients_with(program, parameters, {});
  double worst =
      difference(all_of(eager, parameters), all_of(passes, parameters)) / kFloatTolerance;
  const Slope in_float = slope(passes, parameters, direction);

  parameters.to(Dtype::float64);
  assign_moved(parameters, values, direction, 0);
  const Slope exact = slope(gradients_with(program, parameters, {}), parameters, direction);
  assign_moved(parameters, values, direction, kStep);
  const double ahead = program.value(parameters);
  assign_moved(parameters, values, direction, -kStep);
  const double numeric = (ahead - program.value(parameters)) / (2 * kStep);
  const double size = 1 + exact.size;
  const double in_floats = std::abs(in_float.value - numeric) / (kFloatTolerance * size);
  const double in_doubles = std::abs(exact.value - numeric) / (kDoubleTolerance * size);
  if (std::isnan(in_floats + in_doubles)) return std::numeric_limits<double>::infinity();
  return std::max({worst, in_floats, in_doubles});
}

}  // namespace

TEST_CASE("random programs agree with passes, without, and with finite differences",
          "[autograd][gradcheck][passes]") {
  const auto programs = static_cast<std::uint64_t>(cases(500, 2000));
  std::uint64_t moved = 0;
  for (std::uint64_t seed = 0; seed < programs; ++seed) {
    const RandomProgram program{10000 + seed};
    INFO("program " << program.seed << " over " << to_string(program.shape()));
    // Programs have kinks and steps (clamp, max, where), and a point may lie on one. A mistake
    // shows at every point.
    std::uint64_t point = 0;
    double worst = disagreement(program, point);
    while (!(worst <= 1) && ++point < kPoints) {
      worst = std::min(worst, disagreement(program, point));
    }
    CHECK(worst <= 1);
    if (point > 0) ++moved;
  }
  CHECK(moved <= programs / 50);
}
