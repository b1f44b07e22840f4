// What a gradient check compares, and what mistake a disagreement looks like. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <unroll/autograd/gradcheck.h>

namespace unroll::detail {

/// One number and what it is compared with.
struct Comparison {
  std::size_t input;
  std::int64_t element;
  double analytic, numeric;
};

/// The error in units of what the options allow; infinite if one side is NaN.
double badness(const Comparison& c, const GradcheckOptions& options);

/// Guesses the mistake from how all analytic values of one input relate to the numeric ones.
std::string likely_cause(const std::vector<Comparison>& all, std::size_t input, const Shape& shape);

/// The verdict over all comparisons; `explain` words the worst one if it is too bad.
GradcheckReport judge(const std::vector<Comparison>& all, const GradcheckOptions& options,
                      const std::function<std::string(const Comparison&)>& explain);

}  // namespace unroll::detail
