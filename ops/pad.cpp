// pad    y = x with elements of one value before and after along an axis
//        dx += the part of dy where x is
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/axis_view.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// Is it a number that int32 holds?
bool is_int32(double number) {
  using Limits = std::numeric_limits<std::int32_t>;
  return number == std::trunc(number) && Limits::min() <= number && number <= Limits::max();
}

struct Padding {
  std::int64_t axis, before, after;
  double value;
};

class Pad final : public Op {
 public:
  Pad() : Op("pad") {}

  Type infer(const Signature& call) const override {
    const auto p = call.attributes.as<Padding>();
    const Type& x = call.input(0);
    const int axis = static_cast<int>(p.axis);
    return {x.dtype, x.shape.with(axis, p.before + x.shape[axis] + p.after)};
  }
  void run(const KernelCall& call) const override {
    const auto p = call.attributes.as<Padding>();
    const AxisView view(call.input(0).shape(), static_cast<int>(p.axis));
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const T* x = call.input(0).as<T>();
      T* y = call.output.as<T>();
      const T value = static_cast<T>(p.value);
      const std::int64_t run = view.extent * view.inner;
      for (std::int64_t i = 0; i < view.outer; ++i, x += run) {
        y = std::fill_n(y, p.before * view.inner, value);
        y = std::copy_n(x, run, y);
        y = std::fill_n(y, p.after * view.inner, value);
      }
    });
  }
  void derive(Derivation& d) const override {
    const auto p = d.attributes<Padding>();
    const int axis = static_cast<int>(p.axis);
    d.add(0, slice(d.cotangent(), axis, p.before, p.before + d.input(0).shape()[axis]));
  }
  std::size_t attribute_bytes() const override { return sizeof(Padding); }
};

const Pad kPad;

}  // namespace

Variable pad(const Operand& x, int axis, std::int64_t before, std::int64_t after, double value) {
  const int resolved = axis_of(x, axis, "pad");
  if (before < 0 || after < 0) {
    throw ValueError(fmt::format("{}: pad: got {} elements before and {} after; expected 0 or more",
                                 to_string(x.where()), before, after));
  }
  // What a Shape holds at most is far less; the sum of two such and an extent does not overflow.
  constexpr std::int64_t kMost = std::int64_t{1} << 49;
  if (before > kMost || after > kMost) {
    throw ShapeError(
        fmt::format("{}: pad: got {} elements before and {} after; expected at most "
                    "2^49 each",
                    to_string(x.where()), before, after));
  }
  if (x.dtype(Dtype::float32) == Dtype::int32 && !is_int32(value)) {
    throw ValueError(fmt::format("{}: pad: got {} beside int32; expected a number that int32 holds",
                                 to_string(x.where()), value));
  }
  if (before == 0 && after == 0 && x.variable() != nullptr) return *x.variable();
  return record(kPad, {x}, Padding{resolved, before, after, value});
}

}  // namespace unroll
