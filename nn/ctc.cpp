// The forward recursion over the target with a blank before, between and after its labels:
//     alpha_t(s) = x_t(label s) + log(exp alpha(s) + exp alpha(s - 1) + exp alpha(s - 2))  at t - 1
// where the last term is absent if s is a blank, or the same label as s - 2. It begins before the
// first step with exp alpha = (1, 0, 0, ...), and ends in the last two positions of the target.
#include <unroll/nn/ctc.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/unroll.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>

namespace unroll::nn {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

/// exp(x - y), and 0 without a NaN in any derivative where x is -inf.
Expr share(Expr x, Expr y) {
  const Expr never = x == kNever;
  return where(never, 0, exp(where(never, 0, x) - where(never, 0, y)));
}

const Pointwise kLogAddExp{"ctc.log_add_exp",
                           [](Expr a, Expr b, Expr c) {
                             const Expr largest = max(max(a, b), c);
                             const Expr m = where(largest == kNever, 0, largest);
                             return m + log(exp(a - m) + exp(b - m) + exp(c - m));
                           },
                           [](Expr a, Expr, Expr, Expr y, Expr dy) { return share(a, y) * dy; },
                           [](Expr, Expr b, Expr, Expr y, Expr dy) { return share(b, y) * dy; },
                           [](Expr, Expr, Expr c, Expr y, Expr dy) { return share(c, y) * dy; }};

/// Columns moved to the right by `count`, with zero probabilities behind them.
Variable moved(const Variable& alpha, std::int64_t count) {
  const std::int64_t width = alpha.shape()[1];
  const std::int64_t shift = std::min(count, width);
  return pad(slice(alpha, 1, 0, width - shift), 1, shift, 0, kNever);
}

/// The cell of the recursion; it is fed with the log-probabilities of the labels at all positions.
struct AlignmentCell {
  struct State {
    Variable alpha;     ///< [B, 2 L + 1]
    Variable may_skip;  ///< bool: may a path come from two positions before?
  };
  State first;
  State initial_state(const Variable&, std::int64_t) const { return first; }
  State step(const Variable& emitted, const State& s) const {
    const Variable skipping = where(s.may_skip, moved(s.alpha, 2), kNever);
    return {emitted + kLogAddExp(s.alpha, moved(s.alpha, 1), skipping), s.may_skip};
  }
};

/// The targets with their blanks: positions [B, 2 L + 1].
struct Positions {
  Tensor labels;
  Tensor may_skip, begin, end;  ///< bool; may a path skip the one before, begin, end here?
  Tensor weights;               ///< float64 [B]: 1 / max(labels, 1)
};

Positions positions_of(const Tensor& targets, const CtcOptions& options, std::int64_t classes) {
  const std::int64_t batch = targets.shape()[0], most = targets.shape()[1];
  const Shape shape{batch, 2 * most + 1};
  Positions p{Tensor::full(shape, options.blank, Dtype::int32), Tensor(shape, Dtype::bool_),
              Tensor(shape, Dtype::bool_), Tensor(shape, Dtype::bool_),
              Tensor({batch}, Dtype::float64)};
  const auto labels = p.labels.mutable_data<std::int32_t>();
  const auto may_skip = p.may_skip.mutable_data<bool>(), begin = p.begin.mutable_data<bool>(),
             end = p.end.mutable_data<bool>();
  const auto weights = p.weights.mutable_data<double>();
  const std::vector<std::int32_t> lengths = options.target_lengths.or_full(batch, most);
  const auto ids = targets.data<std::int32_t>();
  for (std::size_t b = 0; b < weights.size(); ++b) {
    const auto width = static_cast<std::size_t>(most), row = b * (2 * width + 1);
    const auto count = static_cast<std::size_t>(lengths[b]);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t id = ids[b * width + i];
      if (id < 0 || id >= classes || id == options.blank) {
        throw ValueError(
            fmt::format("label {} of target {} is {}; expected 0 to {}, but not the "
                        "blank {}",
                        i, b, id, classes - 1, options.blank));
      }
      const std::size_t s = row + 2 * i + 1;
      labels[s] = id;
      may_skip[s] = i > 0 && id != labels[s - 2];
    }
    const std::size_t last = row + 2 * count;
    begin[row] = end[last] = true;
    if (count > 0) end[last - 1] = true;
    weights[b] = 1.0 / static_cast<double>(std::max<std::size_t>(count, 1));
  }
  return p;
}

void check(const Variable& x, const Tensor& targets, const CtcOptions& options) {
  const Shape shape = x.shape(), ids = targets.shape();
  if (!is_floating(x.dtype()) || targets.dtype() != Dtype::int32) {
    throw DtypeError(
        fmt::format("got {} log-probabilities and {} targets; expected floating ones and int32",
                    name_of(x.dtype()), name_of(targets.dtype())));
  }
  if (shape.rank() != 3 || ids.rank() != 2 || shape[1] != ids[0]) {
    throw ShapeError(
        fmt::format("got log-probabilities {} and targets {}; expected "
                    "[time, batch, classes] and [batch, labels]",
                    to_string(shape), to_string(ids)));
  }
  if (options.blank < 0 || options.blank >= shape[2]) {
    throw ValueError(fmt::format("the blank is {}; expected 0 to {}", options.blank, shape[2] - 1));
  }
  options.input_lengths.check(shape[1], shape[0]);
  options.target_lengths.check(ids[0], ids[1]);
}

/// -log probability of each target, [B].
Variable losses_of(const Variable& x, const Positions& p, const CtcOptions& options) {
  const Shape shape = p.labels.shape().inserted(0, x.shape()[0]);
  const Variable emitted = gather(x, 2, expand(input_like(x, p.labels), shape));
  const Variable begin = where(input_like(x, p.begin), zeros_like(x, {}), kNever);
  const AlignmentCell cell{{begin, input_like(x, p.may_skip)}};
  const Variable alpha = unroll(cell, emitted, {.lengths = options.input_lengths}).last.alpha;
  const Variable losses = -logsumexp(where(input_like(x, p.end), alpha, kNever), 1);
  return options.zero_infinity ? where(equal(losses, -kNever), 0.0, losses) : losses;
}

}  // namespace

Variable ctc_loss(const Variable& log_probabilities, const Tensor& targets,
                  const CtcOptions& options, Location at) {
  const Variable& x = log_probabilities;
  return recorded(x, at, "ctc_loss", [&] {
    check(x, targets, options);
    const Positions positions = positions_of(targets, options, x.shape()[2]);
    const Variable losses = losses_of(x, positions, options);
    if (options.reduction == Reduction::none) return losses;
    if (options.reduction == Reduction::sum) return sum(losses);
    return mean(losses * input_like(x, positions.weights.to(x.dtype())));
  });
}

}  // namespace unroll::nn
