// The pointwise losses: formulas, then what x and the target get; reduced as asked.
#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/recorded_at.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/pointwise.h>
#include <unroll/ops/reductions.h>

namespace unroll {

namespace {

const Pointwise kMse{"mse_loss", [](Expr x, Expr t) { return square(x - t); },
                     [](Expr x, Expr t, Expr, Expr dy) { return 2 * (x - t) * dy; },
                     [](Expr x, Expr t, Expr, Expr dy) { return 2 * (t - x) * dy; }};

const Pointwise kL1{"l1_loss", [](Expr x, Expr t) { return abs(x - t); },
                    [](Expr x, Expr t, Expr, Expr dy) { return sign(x - t) * dy; },
                    [](Expr x, Expr t, Expr, Expr dy) { return sign(t - x) * dy; }};

Expr clipped(Expr e, Expr delta) { return min(max(e, -delta), delta); }
const Pointwise kHuber{
    "huber_loss",
    [](Expr x, Expr t, Expr delta) {
      const Expr e = abs(x - t);
      return where(e <= delta, 0.5 * e * e, delta * (e - 0.5 * delta));
    },
    [](Expr x, Expr t, Expr delta, Expr, Expr dy) { return clipped(x - t, delta) * dy; },
    [](Expr x, Expr t, Expr delta, Expr, Expr dy) { return clipped(t - x, delta) * dy; }};

const Pointwise kBinary{"binary_cross_entropy",
                        [](Expr x, Expr t) { return max(x, 0) - x * t + log1p(exp(-abs(x))); },
                        [](Expr x, Expr t, Expr, Expr dy) { return (sigmoid(x) - t) * dy; },
                        [](Expr x, Expr, Expr, Expr dy) { return -x * dy; }};

// Of log q and p. The logarithm never sees p = 0, so that no derivative of any order is NaN there.
Expr log_ratio(Expr log_q, Expr p) { return log(where(p == 0, 1, p)) - log_q; }
const Pointwise kKl{"kl_divergence",
                    [](Expr log_q, Expr p) { return where(p == 0, 0, p * log_ratio(log_q, p)); },
                    [](Expr, Expr p, Expr, Expr dy) { return -p * dy; },
                    [](Expr log_q, Expr p, Expr, Expr dy) {
                      return where(p == 0, 0, (log_ratio(log_q, p) + 1) * dy);
                    }};

/// Elements [..., i] against elements of the same shape. Broadcasting [n] with [n, 1] to [n, n]
/// would be a silent mistake, so only a single number may stand for all.
void expect_same_shape(const Operand& x, const Operand& target, std::string_view name) {
  blame(x.where(), name, [&] {
    const Shape a = x.shape(), b = target.shape();
    if (a == b || a.rank() == 0 || b.rank() == 0) return;
    throw ShapeError(
        fmt::format("got {} and a target of shape {}; expected the same shape, or one number",
                    to_string(a), to_string(b)));
  });
}

Variable reduced(const Variable& losses, Reduction reduction, const Location& where) {
  const RecordedAt place(losses, where);
  switch (reduction) {
    case Reduction::mean: return mean(losses);
    case Reduction::sum: return sum(losses);
    case Reduction::none: break;
  }
  return losses;
}

Variable loss(const Pointwise& op, const Operand& x, const Operand& target, Reduction reduction,
              const Scalars& parameters = {}) {
  expect_same_shape(x, target, op.name());
  return reduced(op(x, target, parameters), reduction, x.where());
}

}  // namespace

Variable mse_loss(const Operand& x, const Operand& target, Reduction reduction) {
  return loss(kMse, x, target, reduction);
}

Variable l1_loss(const Operand& x, const Operand& target, Reduction reduction) {
  return loss(kL1, x, target, reduction);
}

Variable huber_loss(const Operand& x, const Operand& target, double delta, Reduction reduction) {
  if (!(delta > 0)) {
    throw ValueError(fmt::format("{}: huber_loss: got delta {}; expected delta > 0",
                                 to_string(x.where()), delta));
  }
  return loss(kHuber, x, target, reduction, Scalars{delta});
}

Variable binary_cross_entropy(const Operand& logits, const Operand& targets, Reduction reduction) {
  return loss(kBinary, logits, targets, reduction);
}

Variable kl_divergence(const Operand& log_q, const Operand& p, Reduction reduction) {
  expect_same_shape(log_q, p, "kl_divergence");
  const int last = axis_of(log_q, -1, "kl_divergence");
  const Variable elements = kKl(log_q, p);
  const RecordedAt place(elements, log_q.where());
  return reduced(sum(elements, last), reduction, log_q.where());
}

}  // namespace unroll
