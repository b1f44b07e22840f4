// Checks of what layers are made with, before they create a parameter; in one wording: "Linear: in
// is -3; expected 0 to 2^40".
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <unroll/autograd/shape.h>

namespace unroll::nn::detail {

/// Throws ShapeError for a size that is negative, or so large that a few times it may overflow.
void expect_sizes(std::string_view layer,
                  std::initializer_list<std::pair<const char*, std::int64_t>> sizes);

/// Throws ShapeError for another rank.
void expect_rank(std::string_view layer, const char* argument, const Shape& shape, int rank);

/// `layers`; throws ValueError unless there are `least` to 65536.
std::size_t layer_count(std::string_view stack, int layers, int least = 1);

/// Throws ValueError unless 0 <= rate < 1.
void expect_rate(std::string_view layer, const char* argument, double rate);

/// Throws ValueError unless epsilon >= 0 and finite.
void expect_epsilon(std::string_view layer, double epsilon);

}  // namespace unroll::nn::detail
