// masked_softmax    y_i = m_i exp(x_i) / sum_j m_j exp(x_j),    dx = y (dy - <y, dy>)
#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/row_math.h>
#include <unroll/ops/softmax.h>

namespace unroll {

namespace {

/// The part of a mask that belongs to one row; `step` is 0 if it is one element for all.
struct MaskRow {
  const bool* at;
  std::int64_t step;
  bool operator[](std::int64_t i) const { return at[i * step]; }
};

/// Calls f(offset, mask row) for each row of an array of shape `shape`.
template <class F>
void for_each_masked_row(const Shape& shape, const ConstView& mask, F f) {
  const auto own = row_major_strides(mask.shape());
  const int last = shape.rank() - 1, added = shape.rank() - mask.shape().rank();
  std::array<std::int64_t, Shape::kMaxRank> strides{}, position{};
  for (int a = added; a <= last; ++a) {
    const auto from = static_cast<std::size_t>(a - added);
    strides[static_cast<std::size_t>(a)] = mask.shape()[a - added] == 1 ? 0 : own[from];
  }
  const std::int64_t n = shape[last], step = strides[static_cast<std::size_t>(last)];
  std::int64_t base = 0;
  for (std::int64_t offset = 0, total = shape.size(); offset < total; offset += n) {
    f(offset, MaskRow{mask.as<bool>() + base, step});
    for (int a = last; a-- > 0;) {
      const auto at = static_cast<std::size_t>(a);
      base += strides[at];
      if (++position[at] < shape[a]) break;
      base -= strides[at] * shape[a];
      position[at] = 0;
    }
  }
}

/// out[i] = the element of x where the mask is true, else `other`. True if any is.
template <class T>
bool select(const T* x, const MaskRow& mask, T other, T* out, std::int64_t n) {
  bool any = false;
  for (std::int64_t i = 0; i < n; ++i) {
    any |= mask[i];
    out[i] = mask[i] ? x[i] : other;
  }
  return any;
}

template <class T>
void softmax_rows(const KernelCall& call) {
  const std::int64_t n = call.output.shape().extent(-1);
  for_each_masked_row(call.output.shape(), call.input(1),
                      [&](std::int64_t offset, const MaskRow& mask) {
                        T* const y = call.output.as<T>() + offset;
                        const T lowest = -std::numeric_limits<T>::infinity();
                        if (!select(call.input(0).as<T>() + offset, mask, lowest, y, n)) {
                          std::fill_n(y, n, T{0});
                          return;
                        }
                        const T total = row::exp_shifted(y, row::max(y, n), y, n);
                        row::scale_shift(y, T{1} / total, 0, y, n);
                        if (!(total <= std::numeric_limits<T>::max())) select(y, mask, T{0}, y, n);
                      });
}

/// Inputs y, dy, mask.
template <class T>
void gradient_rows(const KernelCall& call) {
  const std::int64_t n = call.output.shape().extent(-1);
  for_each_masked_row(call.output.shape(), call.input(2),
                      [&](std::int64_t offset, const MaskRow& mask) {
                        const T* const y = call.input(0).as<T>() + offset;
                        T* const dx = call.output.as<T>() + offset;
                        select(call.input(1).as<T>() + offset, mask, T{0}, dx, n);
                        row::scale_shift(dx, 1, -row::dot(y, dx, n), dx, n);
                        row::multiply_by(dx, y, n);
                        select(dx, mask, T{0}, dx, n);
                      });
}

class MaskedSoftmaxGrad final : public Op {
 public:
  MaskedSoftmaxGrad() : Op("masked_softmax.grad", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return gradient_rows<float>(call);
    gradient_rows<double>(call);
  }
  void derive(Derivation& d) const override {
    const Variable y = d.input(0), mask = d.input(2);
    derive_through(d, [&] {
      const Variable dy = where(mask, d.input(1), 0.0);
      return where(mask, y * (dy - sum(y * dy, -1, true)), 0.0);
    });
  }
};

const MaskedSoftmaxGrad kMaskedSoftmaxGrad;

class MaskedSoftmax final : public Op {
 public:
  MaskedSoftmax() : Op("masked_softmax") {}

  Type infer(const Signature& call) const override {
    const Type &x = call.input(0), &mask = call.input(1);
    if (!is_floating(x.dtype) || mask.dtype != Dtype::bool_) {
      throw DtypeError(fmt::format("got {} and a {} mask; expected a floating dtype and bool",
                                   name_of(x.dtype), name_of(mask.dtype)));
    }
    if (x.shape.rank() == 0 || !broadcastable(x.shape, mask.shape) ||
        broadcast(x.shape, mask.shape) != x.shape) {
      throw ShapeError(
          fmt::format("got {} and a mask of shape {}; expected at least one axis, "
                      "and a mask that broadcasts to it",
                      to_string(x.shape), to_string(mask.shape)));
    }
    return x;
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return softmax_rows<float>(call);
    softmax_rows<double>(call);
  }

  void derive(Derivation& d) const override {
    d.add(0, record(kMaskedSoftmaxGrad, {d.output(), d.cotangent(), d.input(1)}));
  }
};

const MaskedSoftmax kMaskedSoftmax;

}  // namespace

Variable masked_softmax(const Operand& x, const Operand& mask) {
  return record(kMaskedSoftmax, {x, mask});
}

}  // namespace unroll
