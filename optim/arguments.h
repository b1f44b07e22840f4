// Checks of hyper-parameters and state, in one wording: "SGD: lr is nan; expected a finite number
// >= 0".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <unroll/autograd/tensor.h>

namespace unroll::optim::detail {

/// Throws ValueError unless `value` is finite and at least `lowest`.
void expect_at_least(double lowest, std::string_view function, std::string_view argument,
                     double value);

/// Throws ValueError unless `value` is finite and greater than zero.
void expect_positive(std::string_view function, std::string_view argument, double value);

/// Throws ValueError unless `value` is in [0, 1).
void expect_fraction(std::string_view function, std::string_view argument, double value);

/// Throws ValueError unless `value` is at least `lowest`.
void expect_count(std::int64_t lowest, std::string_view function, std::string_view argument,
                  std::int64_t value);

/// "float32 [2, 3]"
std::string type_of(const Tensor& tensor);

/// True for a whole number >= 0 that a double holds exactly.
bool is_count(double value);

}  // namespace unroll::optim::detail
