// Checks of hyper-parameters.
#include <unroll/optim/arguments.h>

#include <fmt/format.h>

#include <cmath>

#include <unroll/autograd/error.h>

namespace unroll::optim::detail {

void expect_at_least(double lowest, std::string_view function, std::string_view argument,
                     double value) {
  if (std::isfinite(value) && value >= lowest) return;
  throw ValueError(fmt::format("{}: {} is {}; expected a finite number >= {}", function, argument,
                               value, lowest));
}

void expect_positive(std::string_view function, std::string_view argument, double value) {
  if (std::isfinite(value) && value > 0) return;
  throw ValueError(
      fmt::format("{}: {} is {}; expected a finite number > 0", function, argument, value));
}

void expect_fraction(std::string_view function, std::string_view argument, double value) {
  if (value >= 0 && value < 1) return;
  throw ValueError(
      fmt::format("{}: {} is {}; expected a number in [0, 1)", function, argument, value));
}

void expect_count(std::int64_t lowest, std::string_view function, std::string_view argument,
                  std::int64_t value) {
  if (value >= lowest) return;
  throw ValueError(
      fmt::format("{}: {} is {}; expected an integer >= {}", function, argument, value, lowest));
}

std::string type_of(const Tensor& tensor) {
  return fmt::format("{} {}", name_of(tensor.dtype()), to_string(tensor.shape()));
}

bool is_count(double value) { return value >= 0 && value <= 0x1p53 && std::floor(value) == value; }

}  // namespace unroll::optim::detail
