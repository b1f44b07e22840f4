// gradcheck: perturb, difference, compare, and explain.
#include <unroll/autograd/gradcheck.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradcheck_cause.h>
#include <unroll/autograd/gradcheck_directions.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>

namespace unroll {

using detail::badness;
using detail::Comparison;
using detail::inner_product;
using detail::judge;
using detail::likely_cause;

namespace {

/// A function with any number of outputs.
using Functions = std::function<Variables(std::span<const Variable>)>;

std::vector<Tensor> evaluate_at(const Functions& f, const std::vector<Tensor>& inputs) {
  Tape tape;
  Variables variables;
  for (const Tensor& input : inputs) variables.push_back(tape.input(input));
  std::vector<Tensor> result;
  for (const Variable& y : f(variables)) result.push_back(y.value());
  return result;
}

double contracted(const std::vector<Tensor>& cotangents, const std::vector<Tensor>& outputs) {
  double sum = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) sum += inner_product(cotangents[i], outputs[i]);
  return sum;
}

/// d sum_i <c_i, y_i> / dx for each floating input; zeros where there is no dependence.
std::vector<Tensor> analytic_gradients(const Functions& f, const std::vector<Tensor>& inputs,
                                       const std::vector<Tensor>& cotangents) {
  Tape tape;
  Variables variables, wanted, c;
  for (const Tensor& input : inputs) {
    variables.push_back(tape.input(input));
    if (is_floating(input.dtype())) wanted.push_back(variables.back());
  }
  const Variables y = f(variables);
  for (const Tensor& cotangent : cotangents) c.push_back(tape.input(cotangent));
  const auto found = vector_jacobian_product(y, c, wanted);
  std::vector<Tensor> result;
  for (std::size_t i = 0, k = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i].dtype())) {
      result.emplace_back();
      continue;
    }
    result.push_back(found[k].defined() ? found[k].value()
                                        : Tensor(inputs[i].shape(), Dtype::float64));
    ++k;
  }
  return result;
}

/// The output element whose derivative by the given input element is worst.
std::string worst_output(const Functions& f, const std::vector<Tensor>& inputs,
                         const Comparison& at, const std::vector<Tensor>& outputs,
                         const GradcheckOptions& options) {
  const auto moved = [&](double by) {
    auto copy = inputs;
    copy[at.input].mutable_data<double>()[static_cast<std::size_t>(at.element)] += by;
    return evaluate_at(f, copy);
  };
  const auto plus = moved(options.eps), minus = moved(-options.eps);
  std::string text;
  double worst = -1;
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    for (std::int64_t k = 0; k < std::min<std::int64_t>(outputs[o].size(), 256); ++k) {
      std::vector<Tensor> one;
      for (const Tensor& output : outputs) one.emplace_back(output.shape(), Dtype::float64);
      one[o].mutable_data<double>()[static_cast<std::size_t>(k)] = 1;
      const double analytic = analytic_gradients(f, inputs, one)[at.input].at(at.element);
      const double numeric = (plus[o].at(k) - minus[o].at(k)) / (2 * options.eps);
      const Comparison c{at.input, at.element, analytic, numeric};
      if (badness(c, options) <= worst) continue;
      worst = badness(c, options);
      text = fmt::format(
          "d output {}[{}] / d input {}[{}] is {:.9g} analytically, {:.9g} "
          "numerically",
          o, k, at.input, at.element, analytic, numeric);
    }
  }
  return text;
}

void expect_float64(const std::vector<Tensor>& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() != Dtype::float32) continue;
    throw DtypeError(
        fmt::format("gradcheck: input {} is float32; expected float64, central "
                    "differences need its precision",
                    i));
  }
}

std::int64_t floating_elements(const std::vector<Tensor>& inputs) {
  std::int64_t total = 0;
  for (const Tensor& input : inputs) total += is_floating(input.dtype()) ? input.size() : 0;
  return total;
}

void move_by(Tensor& x, const Tensor& direction, double step) {
  auto out = x.mutable_data<double>();
  const auto u = direction.data<double>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += step * u[i];
}

GradcheckReport check(const Functions& f, const std::vector<Tensor>& inputs,
                      const GradcheckOptions& options) {
  expect_float64(inputs);
  const std::vector<Tensor> y = evaluate_at(f, inputs);
  std::vector<Tensor> cotangents;
  for (const Tensor& output : y) {
    if (output.dtype() != Dtype::float64) {
      throw DtypeError(fmt::format("gradcheck: the function returns {}; expected float64",
                                   name_of(output.dtype())));
    }
    cotangents.push_back(random_normal(output.shape(), mix(options.seed + 1, cotangents.size())));
  }
  if (y.empty()) return {};
  const std::vector<Tensor> gradients = analytic_gradients(f, inputs, cotangents);
  const auto loss_at = [&](const std::vector<Tensor>& x) {
    return contracted(cotangents, evaluate_at(f, x));
  };

  if (floating_elements(inputs) > options.exhaustive_limit) {
    return detail::check_directions(
        options, gradients,
        [&](const std::vector<Tensor>& direction, double step) {
          std::vector<Tensor> moved = inputs;
          for (std::size_t i = 0; i < moved.size(); ++i) {
            if (is_floating(moved[i].dtype())) move_by(moved[i], direction[i], step);
          }
          return loss_at(moved);
        },
        [](std::size_t i) { return fmt::format("input {}", i); });
  }

  std::vector<Comparison> all;
  std::vector<Tensor> moved = inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i].dtype())) continue;
    for (std::int64_t k = 0; k < inputs[i].size(); ++k) {
      const auto at = [&](double x) {
        moved[i].mutable_data<double>()[static_cast<std::size_t>(k)] = x;
        return loss_at(moved);
      };
      const double centre = inputs[i].at(k);
      const double plus = at(centre + options.eps), minus = at(centre - options.eps);
      moved[i].mutable_data<double>()[static_cast<std::size_t>(k)] = centre;
      all.push_back({i, k, gradients[i].at(k), (plus - minus) / (2 * options.eps)});
    }
  }
  return judge(all, options, [&](const Comparison& c) {
    return fmt::format("gradcheck: {}; likely cause: {}", worst_output(f, inputs, c, y, options),
                       likely_cause(all, c.input, inputs[c.input].shape()));
  });
}

}  // namespace

GradcheckReport gradcheck(const Function& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  const Functions one = [&](std::span<const Variable> x) { return Variables{f(x)}; };
  return check(one, inputs, options);
}

GradcheckReport gradgradcheck(const Function& f, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options) {
  expect_float64(inputs);
  const Functions one = [&](std::span<const Variable> x) { return Variables{f(x)}; };
  const Tensor y = evaluate_at(one, inputs).front();
  std::vector<Tensor> extended = inputs;
  extended.push_back(random_normal(y.shape(), mix(options.seed, 2)));
  // (x, c) -> <c, df/dx>
  const Functions derivative = [&](std::span<const Variable> all) {
    const auto x = all.first(all.size() - 1);
    const Variable out = f(x), c = all.back();
    Variables wanted, found;
    for (const Variable& v : x) {
      if (is_floating(v.dtype())) wanted.push_back(v);
    }
    for (const Variable& g :
         vector_jacobian_product(std::span(&out, 1), std::span(&c, 1), wanted)) {
      if (g.defined()) found.push_back(g);
    }
    return found;
  };
  return check(derivative, extended, options);
}

GradcheckReport gradcheck(const ParameterSet& parameters,
                          const std::function<Variable(Tape&)>& loss,
                          const GradcheckOptions& options) {
  std::vector<Tensor> original;
  for (const Parameter& p : parameters) original.push_back(p.value());
  expect_float64(original);
  const auto loss_now = [&] {
    Tape tape;
    return loss(tape).item();
  };
  const auto assign = [&](const std::vector<Tensor>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) parameters[i].assign(values[i]);
  };
  std::vector<Tensor> analytic;
  {
    Tape tape;
    const Gradients g = gradients(loss(tape), parameters);
    for (const Parameter& p : parameters) analytic.push_back(g[p]);
  }
  try {
    std::vector<Comparison> all;
    std::vector<Tensor> moved = original;
    if (parameters.elements() > options.exhaustive_limit) {
      const GradcheckReport report = detail::check_directions(
          options, analytic,
          [&](const std::vector<Tensor>& direction, double step) {
            moved = original;
            for (std::size_t i = 0; i < moved.size(); ++i) move_by(moved[i], direction[i], step);
            assign(moved);
            return loss_now();
          },
          [&](std::size_t i) { return "parameter " + parameters[i].name(); });
      assign(original);
      return report;
    }
    for (std::size_t i = 0; i < original.size(); ++i) {
      for (std::int64_t k = 0; k < original[i].size(); ++k) {
        const auto at = [&](double x) {
          moved[i].mutable_data<double>()[static_cast<std::size_t>(k)] = x;
          parameters[i].assign(moved[i]);
          return loss_now();
        };
        const double centre = original[i].at(k);
        const double plus = at(centre + options.eps), minus = at(centre - options.eps);
        moved[i] = original[i];
        parameters[i].assign(original[i]);
        all.push_back({i, k, analytic[i].at(k), (plus - minus) / (2 * options.eps)});
      }
    }
    return judge(all, options, [&](const Comparison& c) {
      return fmt::format(
          "gradcheck: d loss / d {}[{}] is {:.9g} analytically, {:.9g} numerically; "
          "likely cause: {}",
          parameters[c.input].name(), c.element, c.analytic, c.numeric,
          likely_cause(all, c.input, original[c.input].shape()));
    });
  } catch (...) {
    assign(original);
    throw;
  }
}

}  // namespace unroll
