// cross_entropy    loss = <q, log_sum_exp(x) - x>,    dx = (softmax(x) - q) dloss    per row, where
//     q = (1 - smoothing) one_hot(target) + smoothing / classes, and all is 0 for ignored targets.
// Memory is read once forward, for each row's largest logit m and s = sum exp(x - m), and once
// backward. With weights w of the classes q becomes w q, composed of this and other ops.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/recorded.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/checked_index.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/row_math.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll {

namespace {

/// Of all ops below.
struct RowAttributes {
  double smoothing;
  std::int64_t classes;
  std::int32_t ignore_index;
  std::int32_t dtype;  ///< of the result, where only the targets are given
};

/// The base of them: attributes, and kernels for float and double.
template <class Kernel>
class RowOp : public Op {
 public:
  using Op::Op;
  void run(const KernelCall& call) const override {
    const auto attributes = call.attributes.as<RowAttributes>();
    if (call.output.dtype() == Dtype::float32)
      return Kernel::template rows<float>(call, attributes);
    Kernel::template rows<double>(call, attributes);
  }
  std::size_t attribute_bytes() const override { return sizeof(RowAttributes); }
};

/// The target of a row, or nothing if it is ignored.
std::optional<std::int64_t> target_of(const ConstView& targets, std::int64_t row,
                                      const RowAttributes& a) {
  if (targets.as<std::int32_t>()[row] == a.ignore_index) return std::nullopt;
  return checked_index(targets, row, a.classes, "target");
}

/// logits -> m and s of each row, [..., 2].
class Normalizer final : public RowOp<Normalizer> {
 public:
  Normalizer() : RowOp("cross_entropy.normalizer", {.internal = true}) {}

  Type infer(const Signature& call) const override {
    const Type& x = call.input(0);
    return {x.dtype, x.shape.with(x.shape.rank() - 1, 2)};
  }
  /// Never asked for: the gradient by the logits is complete in that of the losses.
  void derive(Derivation&) const override {}

  template <class T>
  static void rows(const KernelCall& call, const RowAttributes& a) {
    T* out = call.output.as<T>();
    const T* x = call.input(0).as<T>();
    for (std::int64_t left = call.output.size() / 2; left-- > 0; x += a.classes, out += 2) {
      out[0] = row::max(x, a.classes);
      out[1] = row::exp_shifted(x, out[0], static_cast<T*>(nullptr), a.classes);
    }
  }
};

/// targets, and weights of the classes or nothing -> what each row counts: the weight of its target
/// or 1, and 0 where it is ignored.
class RowWeight final : public RowOp<RowWeight> {
 public:
  RowWeight() : RowOp("cross_entropy.row_weight", {.internal = true}) {}
  Type infer(const Signature& call) const override {
    return {static_cast<Dtype>(call.attributes.as<RowAttributes>().dtype), call.input(0).shape};
  }
  template <class T>
  static void rows(const KernelCall& call, const RowAttributes& a) {
    const T* const weights = call.inputs.size() > 1 ? call.input(1).as<T>() : nullptr;
    for (std::int64_t i = 0; i < call.output.size(); ++i) {
      const bool counts = call.input(0).as<std::int32_t>()[i] != a.ignore_index;
      T& weight = call.output.as<T>()[i] = counts ? T{1} : T{0};
      if (counts && weights != nullptr) weight = weights[*target_of(call.input(0), i, a)];
    }
  }
};

/// targets -> q, [..., classes].
class Distribution final : public RowOp<Distribution> {
 public:
  Distribution() : RowOp("cross_entropy.distribution", {.internal = true}) {}
  Type infer(const Signature& call) const override {
    const auto a = call.attributes.as<RowAttributes>();
    const Shape& shape = call.input(0).shape;
    return {static_cast<Dtype>(a.dtype), shape.inserted(shape.rank(), a.classes)};
  }
  template <class T>
  static void rows(const KernelCall& call, const RowAttributes& a) {
    T* q = call.output.as<T>();
    for (std::int64_t i = 0; i < call.input(0).size(); ++i, q += a.classes) {
      const auto target = target_of(call.input(0), i, a);
      const double rest = target ? a.smoothing / static_cast<double>(a.classes) : 0;
      std::fill_n(q, a.classes, static_cast<T>(rest));
      if (target) q[*target] += static_cast<T>(1 - a.smoothing);
    }
  }
};

const Normalizer kNormalizer;
const RowWeight kRowWeight;
const Distribution kDistribution;

/// Inputs logits, normalizer, targets, dloss.
class CrossEntropyGrad final : public RowOp<CrossEntropyGrad> {
 public:
  CrossEntropyGrad() : RowOp("cross_entropy.grad", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }

  template <class T>
  static void rows(const KernelCall& call, const RowAttributes& a) {
    const std::int64_t n = a.classes;
    const T* x = call.input(0).as<T>();
    T* dx = call.output.as<T>();
    for (std::int64_t i = 0; i < call.input(2).size(); ++i, x += n, dx += n) {
      const auto target = target_of(call.input(2), i, a);
      if (!target) {
        std::fill_n(dx, n, T{0});
        continue;
      }
      const T dloss = call.input(3).as<T>()[i];
      const T* const normalizer = call.input(1).as<T>() + 2 * i;
      row::exp_shifted(x, normalizer[0], dx, n);
      row::scale_shift(dx, dloss / normalizer[1],
                       -dloss * static_cast<T>(a.smoothing / static_cast<double>(n)), dx, n);
      dx[*target] -= dloss * static_cast<T>(1 - a.smoothing);
    }
  }

  void derive(Derivation& d) const override {
    const Variable logits = d.input(0), targets = d.input(2), dloss = d.input(3);
    const auto a = d.attributes<RowAttributes>();
    const Shape column = dloss.shape().inserted(dloss.shape().rank(), 1);
    const Variable q = record(kDistribution, {targets}, a);
    const Variable counts = reshape(record(kRowWeight, {targets}, a), column) > 0.0;
    derive_through(d, [&] {
      const Variable p = masked_softmax(logits, counts);
      return (p - q) * where(counts, reshape(dloss, column), 0.0);
    });
  }
};

const CrossEntropyGrad kCrossEntropyGrad;

/// Inputs logits, normalizer, targets.
class CrossEntropy final : public RowOp<CrossEntropy> {
 public:
  CrossEntropy() : RowOp("cross_entropy", {}) {}

  Type infer(const Signature& call) const override {
    return {call.input(0).dtype, call.input(2).shape};
  }

  template <class T>
  static void rows(const KernelCall& call, const RowAttributes& a) {
    const T* x = call.input(0).as<T>();
    const T* normalizer = call.input(1).as<T>();
    T* const loss = call.output.as<T>();
    for (std::int64_t i = 0; i < call.output.size(); ++i, x += a.classes, normalizer += 2) {
      const auto target = target_of(call.input(2), i, a);
      loss[i] = 0;
      if (!target) continue;
      const T log_sum = std::log(normalizer[1]);
      loss[i] = (normalizer[0] - x[*target]) + log_sum;
      if (a.smoothing == 0) continue;
      const T mean = row::sum(x, a.classes) / static_cast<T>(a.classes);
      const auto weight = static_cast<T>(a.smoothing);
      loss[i] = (1 - weight) * loss[i] + weight * ((normalizer[0] - mean) + log_sum);
    }
  }

  void derive(Derivation& d) const override {
    d.add(0, record(kCrossEntropyGrad, {d.input(0), d.input(1), d.input(2), d.cotangent()},
                    d.attributes<RowAttributes>()));
  }
};

const CrossEntropy kCrossEntropy;

/// `weight` in the dtype of the logits; nothing if it is absent.
std::optional<Tensor> checked_weight(const Operand& logits, const CrossEntropyOptions& options) {
  if (!options.weight) return std::nullopt;
  if (!is_floating(options.weight->dtype())) {
    throw DtypeError(
        fmt::format("got weight in {}; expected floats", name_of(options.weight->dtype())));
  }
  const std::int64_t classes = logits.shape().extent(-1);
  if (options.weight->shape() != Shape{classes}) {
    throw ShapeError(fmt::format("got weight {} for {} classes; expected one of each",
                                 to_string(options.weight->shape()), classes));
  }
  const Tensor weight = options.weight->to(logits.dtype(Dtype::float32));
  for (std::int64_t c = 0; c < classes; ++c) {
    if (!(weight.at(c) >= 0 && std::isfinite(weight.at(c)))) {
      throw ValueError(fmt::format("got weight {} of class {}; expected finite {} >= 0",
                                   options.weight->at(c), c, name_of(weight.dtype())));
    }
  }
  return weight;
}

void check(const Operand& logits, const Operand& targets, const CrossEntropyOptions& options) {
  const Dtype dtype = logits.dtype(Dtype::float32), ids = targets.dtype(Dtype::float32);
  if (!is_floating(dtype) || ids != Dtype::int32) {
    throw DtypeError(fmt::format("got {} logits and {} targets; expected floating ones and int32",
                                 name_of(dtype), name_of(ids)));
  }
  const Shape shape = logits.shape();
  if (shape.rank() == 0 || targets.shape() != shape.without(shape.rank() - 1)) {
    throw ShapeError(fmt::format("got logits {} and targets {}; expected [..., classes] and [...]",
                                 to_string(shape), to_string(targets.shape())));
  }
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1)) {
    throw ValueError(fmt::format("got label_smoothing {}; expected 0 <= label_smoothing < 1",
                                 options.label_smoothing));
  }
  if (logits.variable() != nullptr && targets.variable() != nullptr) {
    detail::expect_one_tape({*logits.variable(), *targets.variable()});
  }
}

/// The share of smoothing: sum_c w_c (log_sum_exp(x) - x_c) of rows that count, without the classes
/// of weight 0.
Variable smoothing_losses(const Variable& x, const Variable& w, const Variable& counted) {
  const Variable rows = reshape(counted, counted.shape().inserted(counted.shape().rank(), 1)) > 0.0;
  const Variable read = where(rows, x, 0.0);
  const Variable cross = sum(where(where(rows, w, 0.0) > 0.0, read * w, 0.0), -1);
  return counted * (sum(w) * logsumexp(read, -1) - cross);
}

}  // namespace

Variable cross_entropy(const Operand& logits, const Operand& targets,
                       const CrossEntropyOptions& options) {
  const auto weight = blame(logits.where(), "cross_entropy", [&] {
    check(logits, targets, options);
    return checked_weight(logits, options);
  });
  const double smoothing = options.label_smoothing;
  const RowAttributes attributes{weight ? 0 : smoothing, logits.shape().extent(-1),
                                 options.ignore_index,
                                 static_cast<std::int32_t>(logits.dtype(Dtype::float32))};
  const Operand& anchor = logits.variable() != nullptr ? logits : targets;
  TapeState& state = on_tape(anchor, anchor, "cross_entropy").state();
  return recorded(state, logits.where(), "cross_entropy", [&] {
    const Variable x = on_tape(logits, anchor, "cross_entropy");
    const Variable normalizer = record(kNormalizer, {logits.with(x)}, attributes);
    Variable losses = record(kCrossEntropy, {logits.with(x), normalizer, targets}, attributes);
    Variable counts;
    if (weight) {
      const Variable w = input_like(x, *weight);
      counts = record(kRowWeight, {targets, w}, attributes);
      losses = counts * losses;
      if (smoothing > 0) {
        const Variable counted = record(kRowWeight, {targets}, attributes);
        losses = (1 - smoothing) * losses + smoothing / static_cast<double>(attributes.classes) *
                                                smoothing_losses(x, w, counted);
      }
    }
    if (options.reduction == Reduction::none) return losses;
    if (options.reduction == Reduction::sum) return sum(losses);
    if (!weight) return sum(losses) / max(sum(record(kRowWeight, {targets}, attributes)), 1.0);
    const Variable total = sum(counts);
    return sum(losses) / where(total > 0.0, total, std::numeric_limits<double>::infinity());
  });
}

}  // namespace unroll
