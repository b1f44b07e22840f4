// The primitive functions that formulas are made of.
#pragma once

#include <cstdint>

namespace unroll {

// clang-format off
enum class Code : std::uint8_t {
  neg, abs, sign, exp, log, log1p, expm1, sqrt, tanh, sigmoid, sin, cos, erf,  // one operand
  add, sub, mul, div, pow, min, max, less, less_equal, equal, not_equal,       // two
  where,                                                                       // three
};
// clang-format on
inline constexpr int kCodeCount = static_cast<int>(Code::where) + 1;

}  // namespace unroll
