// Random directions: drawing, comparing, finding the input to blame.
#include <unroll/autograd/gradcheck_directions.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <unroll/autograd/gradcheck_cause.h>
#include <unroll/autograd/random.h>

namespace unroll::detail {

double inner_product(const Tensor& a, const Tensor& b) {
  double sum = 0;
  const auto x = a.data<double>(), y = b.data<double>();
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

namespace {

/// Comparisons along `options.directions` directions, through all inputs or through `only` one.
std::vector<Comparison> along_directions(const GradcheckOptions& options,
                                         const std::vector<Tensor>& gradients,
                                         const LossAlong& loss, std::optional<std::size_t> only) {
  std::vector<Comparison> all;
  for (int d = 0; d < options.directions; ++d) {
    std::vector<Tensor> direction;
    double length = 0, analytic = 0;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const std::uint64_t key = mix(options.seed + 17, mix(static_cast<std::uint64_t>(d), i));
      direction.push_back(only && *only != i ? Tensor(gradients[i].shape(), Dtype::float64)
                                             : random_normal(gradients[i].shape(), key));
      length += inner_product(direction.back(), direction.back());
    }
    length = std::sqrt(std::max(length, 1e-300));
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      for (double& x : direction[i].mutable_data<double>()) x /= length;
      if (gradients[i].dtype() == Dtype::float64) {
        analytic += inner_product(gradients[i], direction[i]);
      }
    }
    const double numeric =
        (loss(direction, options.eps) - loss(direction, -options.eps)) / (2 * options.eps);
    all.push_back({only.value_or(0), d, analytic, numeric});
  }
  return all;
}

}  // namespace

GradcheckReport check_directions(const GradcheckOptions& options,
                                 const std::vector<Tensor>& gradients, const LossAlong& loss,
                                 const std::function<std::string(std::size_t)>& name_of) {
  const auto describe = [](const std::string& where, const Comparison& c) {
    return fmt::format(
        "gradcheck: along random direction {} of {} the derivative is {:.9g} analytically, {:.9g} "
        "numerically",
        c.element, where, c.analytic, c.numeric);
  };
  GradcheckReport report = judge(along_directions(options, gradients, loss, std::nullopt), options,
                                 [&](const Comparison& c) { return describe("all inputs", c); });
  if (report.ok) return report;

  double worst = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].dtype() != Dtype::float64 || gradients[i].size() == 0) continue;
    const auto own = along_directions(options, gradients, loss, i);
    const GradcheckReport verdict = judge(own, options, [&](const Comparison& c) {
      return describe(name_of(i), c) + "; likely cause: " + likely_cause(own, i, Shape{});
    });
    if (verdict.worst <= worst) continue;
    worst = verdict.worst;
    if (!verdict.ok) report.message = verdict.message;
  }
  return report;
}

}  // namespace unroll::detail
