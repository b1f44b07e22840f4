// Clipping of gradients, by their common norm or element by element.
#pragma once

#include <unroll/autograd/gradients.h>

namespace unroll::optim {

/// Scales all gradients by max_norm / (norm + 1e-6) if that is less than 1, norm being the
/// Euclidean norm of all of them together (Pascanu et al. 2013, PyTorch's constants). Returns the
/// norm before. Leaves them alone if the norm is NaN or infinite, for the optimiser to report;
/// max_norm = infinity only measures. Throws ValueError if max_norm is negative or NaN.
double clip_norm(Gradients& gradients, double max_norm);

/// Limits every gradient element to [-limit, limit]; repeated sparse rows are added up first. NaN
/// stays NaN. Throws ValueError if `limit` is negative or NaN.
void clip_value(Gradients& gradients, double limit);

}  // namespace unroll::optim
