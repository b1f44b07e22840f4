// gradcheck: analytic gradients against central differences in float64.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tape.h>

namespace unroll {

/// The defaults are those of torch.autograd.gradcheck.
struct GradcheckOptions {
  double eps = 1e-6;   ///< half the width of a central difference
  double atol = 1e-5;  ///< |analytic - numeric| <= atol + rtol |numeric|
  double rtol = 1e-3;
  std::uint64_t seed = 0;  ///< of the cotangent and the directions
  /// Inputs with more elements than this together are checked along random directions instead of
  /// element by element.
  std::int64_t exhaustive_limit = 4096;
  int directions = 16;
};

/// The outcome; converts to true if the gradients agree.
struct GradcheckReport {
  bool ok = true;
  double worst = 0;     ///< largest |analytic - numeric| / (atol + rtol |numeric|)
  std::string message;  ///< on failure: output and input index, both values, the likely cause
  explicit operator bool() const { return ok; }
};

/// Any composition of ops: from variables on one tape to a variable there.
using Function = std::function<Variable(std::span<const Variable>)>;

namespace detail {

/// A function of one to four variables, such as an op, as a Function that refers to it. Calling
/// the result with another number of variables throws ValueError.
template <class F>
requires(!std::convertible_to<const F&, Function>) Function as_function(const F& f) {
  return [&f](std::span<const Variable> x) -> Variable {
    using V = const Variable&;
    if constexpr (std::is_invocable_r_v<Variable, const F&, V>) {
      if (x.size() == 1) return f(x[0]);
    }
    if constexpr (std::is_invocable_r_v<Variable, const F&, V, V>) {
      if (x.size() == 2) return f(x[0], x[1]);
    }
    if constexpr (std::is_invocable_r_v<Variable, const F&, V, V, V>) {
      if (x.size() == 3) return f(x[0], x[1], x[2]);
    }
    if constexpr (std::is_invocable_r_v<Variable, const F&, V, V, V, V>) {
      if (x.size() == 4) return f(x[0], x[1], x[2], x[3]);
    }
    throw ValueError("gradcheck: the function does not take " + std::to_string(x.size()) +
                     " variables; expected as many as there are inputs");
  };
}

}  // namespace detail

/// Checks the gradient of `f` by every floating element of `inputs`: with a random cotangent c,
/// d<c, f(x)>/dx against (<c, f(x + eps)> - <c, f(x - eps)>) / (2 eps). Floating inputs must be
/// float64 (DtypeError); others are passed as they are. `f` must be deterministic.
GradcheckReport gradcheck(const Function& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

template <class F>
requires(!std::convertible_to<const F&, Function>) GradcheckReport
    gradcheck(const F& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {}) {
  return gradcheck(detail::as_function(f), inputs, options);
}

/// The same for the gradients themselves: checks the derivative of <c, df/dx> by x and by c.
GradcheckReport gradgradcheck(const Function& f, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

template <class F>
requires(!std::convertible_to<const F&, Function>) GradcheckReport
    gradgradcheck(const F& f, const std::vector<Tensor>& inputs,
                  const GradcheckOptions& options = {}) {
  return gradgradcheck(detail::as_function(f), inputs, options);
}

/// Checks the gradient of a scalar loss by every parameter, which must be float64: element by
/// element, or along random directions when there are many. Parameters are moved during the check
/// and put back.
GradcheckReport gradcheck(const ParameterSet& parameters,
                          const std::function<Variable(Tape&)>& loss,
                          const GradcheckOptions& options = {});

}  // namespace unroll
