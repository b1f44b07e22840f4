// The gradient check for many numbers: along random directions instead of element by element.
// Internal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/autograd/gradcheck.h>

namespace unroll::detail {

/// The sum of products of two float64 tensors of one size.
double inner_product(const Tensor& a, const Tensor& b);

/// The loss with input i moved by step * direction[i], for every i.
using LossAlong = std::function<double(const std::vector<Tensor>& direction, double step)>;

/// Compares <gradients, u> with the central difference of the loss along random unit directions u
/// through all inputs together. If they disagree, goes on input by input and names the worst one by
/// `name_of`.
GradcheckReport check_directions(const GradcheckOptions& options,
                                 const std::vector<Tensor>& gradients, const LossAlong& loss,
                                 const std::function<std::string(std::size_t)>& name_of);

}  // namespace unroll::detail
