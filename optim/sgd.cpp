// SGD: gradient descent with momentum.
#include <unroll/optim/sgd.h>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/optim/arguments.h>
#include <unroll/optim/finite.h>

namespace unroll::optim {

namespace {

SGDOptions valid(const SGDOptions& options) {
  detail::expect_at_least(0, "SGD", "momentum", options.momentum);
  detail::expect_at_least(0, "SGD", "dampening", options.dampening);
  detail::expect_at_least(0, "SGD", "weight_decay", options.weight_decay);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    throw ValueError(fmt::format(
        "SGD: nesterov with momentum {} and dampening {}; expected momentum > 0, dampening 0",
        options.momentum, options.dampening));
  }
  return options;
}

/// May one update take what is small to infinity?
bool is_steep(const SGDOptions& options) {
  return options.momentum >= 1 || options.dampening > detail::kHighRate ||
         options.weight_decay > detail::kHighRate;
}

/// g + decay p, where 0 times infinity is 0.
template <class T>
T slope(T g, T decay, T p) {
  return decay != 0 ? g + decay * p : g;
}

template <class T>
void descend(T* __restrict p, const T* __restrict g, std::size_t n, T lr, T decay) {
  for (std::size_t i = 0; i < n; ++i) p[i] -= lr * slope(g[i], decay, p[i]);
}

/// b = keep b + take d; p -= lr (direct d + through b)
template <class T>
struct MomentumForm {
  T lr, decay, keep, take, direct, through;
};

template <class T>
void descend(T* __restrict p, const T* __restrict g, T* __restrict b, std::size_t n,
             const MomentumForm<T> c) {
  for (std::size_t i = 0; i < n; ++i) {
    const T d = slope(g[i], c.decay, p[i]);
    b[i] = c.keep * b[i] + c.take * d;
    p[i] -= c.lr * (c.direct * d + c.through * b[i]);
  }
}

template <class T>
void apply(const Block<T>& block, const SGDOptions& options, double lr) {
  const T rate = static_cast<T>(lr);
  const T decay = static_cast<T>(options.weight_decay);
  if (options.momentum == 0) {
    block.for_each_run(decay != 0, [&](std::size_t first, const T* g, std::size_t n) {
      descend(block.value + first, g, n, rate, decay);
    });
    return;
  }
  const bool start = block.step == 1;
  const T momentum = static_cast<T>(options.momentum);
  const MomentumForm<T> form{.lr = rate,
                             .decay = decay,
                             .keep = momentum,
                             .take = start ? T{1} : static_cast<T>(1 - options.dampening),
                             .direct = options.nesterov ? T{1} : T{0},
                             .through = options.nesterov ? momentum : T{1}};
  block.for_each_run(true, [&](std::size_t first, const T* g, std::size_t n) {
    descend(block.value + first, g, block.moments[0] + first, n, form);
  });
}

}  // namespace

SGD::SGD(std::span<const Parameter> parameters, const SGDOptions& options) try
    : Optimizer("SGD", parameters,
                options.momentum != 0 ? std::vector<std::string>{"momentum_buffer"}
                                      : std::vector<std::string>{},
                {options.lr, options.momentum != 0 || options.weight_decay != 0, is_steep(options)},
                options.check_finite),
      options_(valid(options)) {
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, "SGD");
}

void SGD::update(const Block<float>& block) const { apply(block, options_, lr()); }
void SGD::update(const Block<double>& block) const { apply(block, options_, lr()); }

}  // namespace unroll::optim
