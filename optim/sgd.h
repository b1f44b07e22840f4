// SGD: gradient descent with momentum.
#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;   ///< adds weight_decay * p to the gradient (L2)
  bool check_finite = true;  ///< refuse gradients with NaN or infinity
};

/// Stochastic gradient descent by PyTorch's formula. With gradient g of parameter p:
///   d = g + weight_decay p
///   b = momentum b + (1 - dampening) d      (b = d at the first update of p)
///   p = p - lr (nesterov ? d + momentum b : b)
/// Without momentum, b = d. Nesterov's form is that of Sutskever et al. 2013, as PyTorch has it.
/// The moment is "momentum_buffer", absent without momentum. Without momentum and weight decay a
/// sparse gradient touches only its rows.
class SGD final : public Optimizer {
 public:
  /// Throws ValueError for a negative or non-finite option, or if nesterov is asked for without
  /// momentum or with dampening.
  explicit SGD(std::span<const Parameter> parameters, const SGDOptions& options = {});

 private:
  void update(const Block<float>& block) const override;
  void update(const Block<double>& block) const override;

  SGDOptions options_;
};

}  // namespace unroll::optim
