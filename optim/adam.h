// Adam and AdamW.
#pragma once

#include <array>

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};  ///< how much of either moment an update keeps
  double eps = 1e-8;
  double weight_decay = 0;   ///< adds weight_decay * p to the gradient (L2)
  bool amsgrad = false;      ///< divide by the largest second moment so far
  bool check_finite = true;  ///< refuse gradients with NaN or infinity
};

struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< shrinks p by the factor 1 - lr * weight_decay
  bool amsgrad = false;
  bool check_finite = true;
};

/// Adam (Kingma and Ba 2015) by PyTorch's formula. At update t of parameter p with gradient g:
///   g = g + weight_decay p
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
/// AMSGrad (Reddi et al. 2018) has the largest v so far under the root. The moments are "exp_avg",
/// "exp_avg_sq" and, with AMSGrad, "max_exp_avg_sq". A row without a gradient in a sparse gradient
/// moves as with a gradient of zero: its moments decay and still push it.
class Adam : public Optimizer {
 public:
  /// Throws ValueError for a negative or non-finite option, eps = 0, or betas outside [0, 1).
  explicit Adam(std::span<const Parameter> parameters, const AdamOptions& options = {});

 protected:
  enum class Decay { l2, decoupled };
  Adam(const char* name, std::span<const Parameter> parameters, const AdamOptions& options,
       Decay decay);

 private:
  void update(const Block<float>& block) const override;
  void update(const Block<double>& block) const override;

  AdamOptions options_;
  Decay decay_;
};

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019): instead of adding to the
/// gradient, the decay shrinks p = (1 - lr weight_decay) p before the update.
class AdamW final : public Adam {
 public:
  /// Throws as Adam does.
  explicit AdamW(std::span<const Parameter> parameters, const AdamWOptions& options = {});
};

}  // namespace unroll::optim
