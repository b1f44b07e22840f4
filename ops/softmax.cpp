// softmax        y_i = exp(x_i) / sum_j exp(x_j),       dx = y (dy - <y, dy>)
// log_softmax    y_i = x_i - log(sum_j exp(x_j)),       dx = dy - exp(y) sum(dy)
// The kernels work on the last axis; another one is brought there and back.
#include <cmath>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/recorded.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/checks.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/row_math.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>

namespace unroll {

namespace {

/// An op with one kernel per row: f(a, b, y, n) with the rows of its first two inputs.
template <class Kernel>
void for_each_row(const KernelCall& call, Kernel kernel) {
  const auto walk = [&]<class T>(T* y) {
    const std::int64_t n = call.output.shape().extent(-1), total = call.output.size();
    const T* const a = call.input(0).as<T>();
    const T* const b = call.inputs.size() > 1 ? call.input(1).as<T>() : nullptr;
    for (std::int64_t at = 0; at < total; at += n) kernel(a + at, b ? b + at : b, y + at, n);
  };
  if (call.output.dtype() == Dtype::float32) return walk(call.output.as<float>());
  walk(call.output.as<double>());
}

class SoftmaxGrad final : public Op {
 public:
  SoftmaxGrad() : Op("softmax.grad", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    for_each_row(call, []<class T>(const T* y, const T* dy, T* dx, std::int64_t n) {
      row::scale_shift(dy, 1, -row::dot(y, dy, n), dx, n);
      row::multiply_by(dx, y, n);
    });
  }
  void derive(Derivation& d) const override {
    const Variable y = d.input(0), dy = d.input(1);
    derive_through(d, [&] { return y * (dy - sum(y * dy, -1, true)); });
  }
};

const SoftmaxGrad kSoftmaxGrad;

class Softmax final : public Op {
 public:
  Softmax() : Op("softmax") {}
  Type infer(const Signature& call) const override {
    expect_floating(call.input(0).dtype);
    return call.input(0);
  }
  void run(const KernelCall& call) const override {
    for_each_row(call, []<class T>(const T* x, const T*, T* y, std::int64_t n) {
      const T total = row::exp_shifted(x, row::max(x, n), y, n);
      row::scale_shift(y, T{1} / total, 0, y, n);
    });
  }
  void derive(Derivation& d) const override {
    d.add(0, record(kSoftmaxGrad, {d.output(), d.cotangent()}));
  }
};

class LogSoftmaxGrad final : public Op {
 public:
  LogSoftmaxGrad() : Op("log_softmax.grad", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    for_each_row(call, []<class T>(const T* y, const T* dy, T* dx, std::int64_t n) {
      row::exp_shifted(y, 0, dx, n);
      row::scale_shift(dx, -row::sum(dy, n), 0, dx, n);
      row::add_to(dx, dy, n);
    });
  }
  void derive(Derivation& d) const override {
    const Variable y = d.input(0), dy = d.input(1);
    derive_through(d, [&] { return dy - exp(y) * sum(dy, -1, true); });
  }
};

const LogSoftmaxGrad kLogSoftmaxGrad;

class LogSoftmax final : public Op {
 public:
  LogSoftmax() : Op("log_softmax") {}
  Type infer(const Signature& call) const override {
    expect_floating(call.input(0).dtype);
    return call.input(0);
  }
  void run(const KernelCall& call) const override {
    for_each_row(call, []<class T>(const T* x, const T*, T* y, std::int64_t n) {
      // The maximum goes first: x - max is exact where it counts, max + log(sum) is not.
      row::scale_shift(x, 1, -row::max(x, n), y, n);
      const T total = row::exp_shifted(y, 0, static_cast<T*>(nullptr), n);
      row::scale_shift(y, 1, -std::log(total), y, n);
    });
  }
  void derive(Derivation& d) const override {
    d.add(0, record(kLogSoftmaxGrad, {d.output(), d.cotangent()}));
  }
};

const Softmax kSoftmax;
const LogSoftmax kLogSoftmax;

Variable over_axis(const Op& op, const Operand& x, int axis) {
  const int chosen = axis_of(x, axis, op.name()), last = x.shape().rank() - 1;
  if (chosen == last) return record(op, {x});
  blame(x.where(), op.name(), [&] { expect_floating(x.dtype(Dtype::float32)); });
  return recorded(on_tape(x, x, op.name()), x.where(), op.name(), [&] {
    return transpose(record(op, {transpose(x, chosen, last)}), chosen, last);
  });
}

}  // namespace

Variable softmax(const Operand& x, int axis) { return over_axis(kSoftmax, x, axis); }
Variable log_softmax(const Operand& x, int axis) { return over_axis(kLogSoftmax, x, axis); }

}  // namespace unroll
