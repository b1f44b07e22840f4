// Reading a disagreement.
#include <unroll/autograd/gradcheck_cause.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace unroll::detail {

namespace {
bool near(double a, double b) { return std::abs(a - b) <= 1e-3 * std::max(1.0, std::abs(b)); }
}  // namespace

double badness(const Comparison& c, const GradcheckOptions& options) {
  const double error = std::abs(c.analytic - c.numeric);
  // NaN or infinity on one side only is a disagreement.
  if (std::isnan(c.analytic) && std::isnan(c.numeric)) return 0;
  if (!std::isfinite(error)) return c.analytic == c.numeric ? 0 : INFINITY;
  return error / (options.atol + options.rtol * std::abs(c.numeric));
}

std::string likely_cause(const std::vector<Comparison>& all, std::size_t input,
                         const Shape& shape) {
  std::vector<Comparison> own;
  for (const Comparison& c : all) {
    if (c.input == input) own.push_back(c);
  }
  const bool all_zero = std::ranges::all_of(own, [](const auto& c) { return c.analytic == 0; });
  if (all_zero) return "no gradient arrives: a missing contribution, or a detached path";
  std::optional<double> ratio;
  bool constant_ratio = true;
  for (const Comparison& c : own) {
    if (std::abs(c.analytic) < 1e-4 && std::abs(c.numeric) < 1e-4) continue;
    const double r = c.numeric / c.analytic;
    if (!ratio) ratio = r;
    constant_ratio = constant_ratio && std::isfinite(r) && near(r, *ratio);
  }
  if (ratio && constant_ratio) {
    if (near(*ratio, -1)) return "wrong sign";
    const double whole = std::round(*ratio);
    if (whole >= 2 && near(*ratio, whole)) {
      return fmt::format("missing accumulation: the numeric value is {:g} times the analytic one",
                         whole);
    }
    return fmt::format("off by a factor of {:.6g}", 1 / *ratio);
  }
  if (shape.rank() == 2 && own.size() == static_cast<std::size_t>(shape.size())) {
    const auto rows = static_cast<std::size_t>(shape[0]),
               columns = static_cast<std::size_t>(shape[1]);
    bool transposed = rows > 1 && columns > 1;
    for (std::size_t i = 0; i < own.size(); ++i) {
      // Element i of the [rows, columns] gradient read as if it had been stored transposed.
      const std::size_t j = i % columns * rows + i / columns;
      transposed = transposed && near(own[j].analytic, own[i].numeric);
    }
    if (transposed) return "transposed";
  }
  const bool some_zero = std::ranges::any_of(
      own, [](const auto& c) { return c.analytic == 0 && std::abs(c.numeric) > 1e-4; });
  if (some_zero) return "missing accumulation: some elements get no gradient";
  return "a wrong formula, or a function that is not differentiable here";
}

GradcheckReport judge(const std::vector<Comparison>& all, const GradcheckOptions& options,
                      const std::function<std::string(const Comparison&)>& explain) {
  GradcheckReport report;
  const Comparison* worst = nullptr;
  for (const Comparison& c : all) {
    const double bad = badness(c, options);
    if (bad <= report.worst) continue;
    report.worst = bad;
    worst = &c;
  }
  report.ok = report.worst <= 1;
  if (!report.ok) report.message = explain(*worst);
  return report;
}

}  // namespace unroll::detail
