// Adam and AdamW: one pass over parameter, gradient and moments.
#include <unroll/optim/adam.h>

#include <cmath>
#include <xsimd/xsimd.hpp>

#include <unroll/autograd/blame.h>
#include <unroll/optim/arguments.h>
#include <unroll/optim/finite.h>

namespace unroll::optim {

namespace {

AdamOptions valid(const char* name, const AdamOptions& options) {
  detail::expect_fraction(name, "betas[0]", options.betas[0]);
  detail::expect_fraction(name, "betas[1]", options.betas[1]);
  detail::expect_positive(name, "eps", options.eps);
  detail::expect_at_least(0, name, "weight_decay", options.weight_decay);
  return options;
}

/// May one update take what is small to infinity? m / sqrt(v) has a bound if beta1^2 < beta2; else,
/// and where v is rounded to 0, only m / eps has.
bool is_steep(const AdamOptions& options) {
  const double least = options.betas[0] * options.betas[0] < options.betas[1] ? 0x1p-126 : 0x1p-46;
  return options.eps < least || options.weight_decay > detail::kHighRate;
}

std::vector<std::string> moments_of(const AdamOptions& options) {
  std::vector<std::string> names{"exp_avg", "exp_avg_sq"};
  if (options.amsgrad) names.emplace_back("max_exp_avg_sq");
  return names;
}

template <class V, class T>
V read(const T* from) {
  if constexpr (std::is_same_v<V, T>) {
    return *from;
  } else {
    return V::load_unaligned(from);
  }
}

template <class V, class T>
void write(T* to, const V& value) {
  if constexpr (std::is_same_v<V, T>) {
    *to = value;
  } else {
    value.store_unaligned(to);
  }
}

template <class T>
struct Formula {
  T l2, shrink, beta1, rest1, beta2, rest2, root_scale, eps, step_size;

  /// The elements at the pointers: as many as V holds. Explicit vectors, because compilers do not
  /// vectorise a loop around std::sqrt that may set errno.
  template <class V>
  void at(T* p, const T* g, T* m, T* v, T* largest) const {
    using std::max;
    using std::sqrt;
    const V value = read<V>(p);
    V gradient = read<V>(g);
    if (l2 != 0) gradient = gradient + V(l2) * value;  // 0 times infinity is NaN
    const V mean = V(beta1) * read<V>(m) + V(rest1) * gradient;
    V square = V(beta2) * read<V>(v) + V(rest2) * gradient * gradient;
    write(m, mean);
    write(v, square);
    if (largest) {
      square = max(read<V>(largest), square);
      write(largest, square);
    }
    const V spread = sqrt(square) * V(root_scale) + V(eps);
    write(p, V(shrink) * value - V(step_size) * mean / spread);
  }

  void operator()(T* p, const T* g, T* m, T* v, T* largest, std::size_t n) const {
    using Batch = xsimd::batch<T>;
    const auto further = [&](std::size_t i) { return largest ? largest + i : nullptr; };
    std::size_t i = 0;
    for (; i + Batch::size <= n; i += Batch::size) {
      at<Batch>(p + i, g + i, m + i, v + i, further(i));
    }
    for (; i < n; ++i) at<T>(p + i, g + i, m + i, v + i, further(i));
  }
};

template <class T>
void apply(const Block<T>& block, const AdamOptions& options, double lr, bool decoupled) {
  const auto [beta1, beta2] = options.betas;
  const auto step = static_cast<double>(block.step);
  const Formula<T> formula{.l2 = static_cast<T>(decoupled ? 0 : options.weight_decay),
                           .shrink = static_cast<T>(decoupled ? 1 - lr * options.weight_decay : 1),
                           .beta1 = static_cast<T>(beta1),
                           .rest1 = static_cast<T>(1 - beta1),
                           .beta2 = static_cast<T>(beta2),
                           .rest2 = static_cast<T>(1 - beta2),
                           .root_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(beta2, step))),
                           .eps = static_cast<T>(options.eps),
                           .step_size = static_cast<T>(lr / (1 - std::pow(beta1, step)))};
  block.for_each_run(true, [&](std::size_t first, const T* g, std::size_t n) {
    T* largest = options.amsgrad ? block.moments[2] + first : nullptr;
    formula(block.value + first, g, block.moments[0] + first, block.moments[1] + first, largest, n);
  });
}

}  // namespace

Adam::Adam(const char* name, std::span<const Parameter> parameters, const AdamOptions& options,
           Decay decay) try
    : Optimizer(name, parameters, moments_of(options), {options.lr, true, is_steep(options)},
                options.check_finite),
      options_(valid(name, options)),
      decay_(decay) {
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, name);
}

Adam::Adam(std::span<const Parameter> parameters, const AdamOptions& options)
    : Adam("Adam", parameters, options, Decay::l2) {}

AdamW::AdamW(std::span<const Parameter> parameters, const AdamWOptions& options)
    : Adam("AdamW", parameters,
           {.lr = options.lr,
            .betas = options.betas,
            .eps = options.eps,
            .weight_decay = options.weight_decay,
            .amsgrad = options.amsgrad,
            .check_finite = options.check_finite},
           Decay::decoupled) {}

void Adam::update(const Block<float>& block) const {
  apply(block, options_, lr(), decay_ == Decay::decoupled);
}

void Adam::update(const Block<double>& block) const {
  apply(block, options_, lr(), decay_ == Decay::decoupled);
}

}  // namespace unroll::optim
