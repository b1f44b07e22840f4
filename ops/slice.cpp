// slice     y = every step-th element of [begin, end) of one axis
// select    y = one element of one axis, which disappears
//           dx += dy where it was taken from; the other elements get nothing
#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/axis_view.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// `count` elements begin, begin + step, ... of an axis of `extent` elements.
struct Range {
  std::int64_t axis, begin, step, count, extent;
};

/// The shape of what is taken: the axis has `count` elements, or is gone.
Shape shape_of(const Shape& whole, const Range& r, bool keeps_axis) {
  const int axis = static_cast<int>(r.axis);
  return keeps_axis ? whole.with(axis, r.count) : whole.without(axis);
}

/// The range as a region of the whole, unless elements are left out between.
std::optional<Region> region_of(const Shape& whole, const Range& r) {
  if (r.step != 1 && r.count > 1) return std::nullopt;
  const AxisView view(whole, static_cast<int>(r.axis));
  return Region{r.begin * view.inner, view.outer, r.count * view.inner, view.extent * view.inner};
}

/// Calls f(whole, part, n) for every run of n elements at these offsets in both arrays.
template <class F>
void for_each_taken(const Shape& whole, const Range& r, F f) {
  const AxisView view(whole, static_cast<int>(r.axis));
  const bool contiguous = r.step == 1;
  const std::int64_t runs = contiguous ? 1 : r.count;
  const std::int64_t length = contiguous ? r.count * view.inner : view.inner;
  std::int64_t part = 0;
  for (std::int64_t i = 0; i < view.outer; ++i) {
    for (std::int64_t j = 0; j < runs; ++j, part += length) {
      f((i * view.extent + r.begin + j * r.step) * view.inner, part, length);
    }
  }
}

class Take final : public Op {
 public:
  Take(std::string name, bool keeps_axis) : Op(std::move(name)), keeps_axis_(keeps_axis) {}

  Type infer(const Signature& call) const override {
    const Type& x = call.input(0);
    return {x.dtype, shape_of(x.shape, call.attributes.as<Range>(), keeps_axis_)};
  }
  std::int64_t alias_offset(const Signature& call, const Type& y) const override {
    const auto r = call.attributes.as<Range>();
    const AxisView view(call.input(0).shape, static_cast<int>(r.axis));
    if (view.outer != 1 || (r.step != 1 && r.count > 1)) return -1;
    const auto bytes = static_cast<std::int64_t>(size_of(y.dtype));
    return y.shape.size() == 0 ? 0 : r.begin * view.inner * bytes;
  }
  void run(const KernelCall& call) const override {
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const T* const x = call.input(0).as<T>();
      T* const y = call.output.as<T>();
      for_each_taken(call.input(0).shape(), call.attributes.as<Range>(),
                     [&](std::int64_t in, std::int64_t out, std::int64_t n) {
                       if (n == 1) {
                         y[out] = x[in];
                       } else {
                         std::copy_n(x + in, n, y + out);
                       }
                     });
    });
  }
  std::optional<Region> taken(const Signature& call) const override {
    return region_of(call.input(0).shape, call.attributes.as<Range>());
  }
  void derive(Derivation& d) const override;
  std::size_t attribute_bytes() const override { return sizeof(Range); }

 private:
  bool keeps_axis_;
};

/// The derivative: zeros, with x where the range is. Adding costs only the size of x.
class Place final : public Op {
 public:
  Place(std::string name, bool keeps_axis)
      : Op(std::move(name), {.accumulates = true, .internal = true}), keeps_axis_(keeps_axis) {}

  Type infer(const Signature& call) const override {
    const Type& x = call.input(0);
    const auto r = call.attributes.as<Range>();
    const int axis = static_cast<int>(r.axis);
    return {x.dtype, keeps_axis_ ? x.shape.with(axis, r.extent) : x.shape.inserted(axis, r.extent)};
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return place<float>(call);
    place<double>(call);
  }
  std::vector<Region> placed(const Signature& call) const override {
    const auto region = region_of(infer(call).shape, call.attributes.as<Range>());
    return region ? std::vector<Region>{*region} : std::vector<Region>{};
  }
  void derive(Derivation& d) const override;
  std::size_t attribute_bytes() const override { return sizeof(Range); }

 private:
  template <class T>
  static void place(const KernelCall& call) {
    const T* const x = call.input(0).as<T>();
    T* const y = call.output.as<T>();
    if (!call.accumulate) std::fill_n(y, call.output.size(), T{0});
    for_each_taken(call.output.shape(), call.attributes.as<Range>(),
                   [&](std::int64_t out, std::int64_t in, std::int64_t n) {
                     for (std::int64_t k = 0; k < n; ++k) y[out + k] += x[in + k];
                   });
  }

  bool keeps_axis_;
};

const Take kSlice{"slice", true};
const Take kSelect{"select", false};
const Place kSliceGradient{"slice.grad", true};
const Place kSelectGradient{"select.grad", false};

void Take::derive(Derivation& d) const {
  const Place& gradient = keeps_axis_ ? kSliceGradient : kSelectGradient;
  d.add(0, record(gradient, {d.cotangent()}, d.attributes<Range>()));
}
void Place::derive(Derivation& d) const {
  d.add(0, record(keeps_axis_ ? kSlice : kSelect, {d.cotangent()}, d.attributes<Range>()));
}

}  // namespace

Variable slice(const Operand& x, int axis, std::int64_t begin, std::int64_t end,
               std::int64_t step) {
  const Range range = blame(x.where(), "slice", [&] {
    if (step < 1) throw ValueError(fmt::format("got step {}; expected 1 or more", step));
    const Shape shape = x.shape();
    const int resolved = shape.normalized_axis(axis);
    const std::int64_t extent = shape[resolved];
    const auto limited = [&](std::int64_t i) {
      return std::clamp<std::int64_t>(i < 0 ? i + extent : i, 0, extent);
    };
    const std::int64_t first = limited(begin),
                       length = std::max<std::int64_t>(limited(end) - first, 0);
    return Range{resolved, first, step, length / step + (length % step != 0), extent};
  });
  if (range.count == range.extent && x.variable() != nullptr) return *x.variable();
  return record(kSlice, {x}, range);
}

Variable select(const Operand& x, int axis, std::int64_t index) {
  const Range range = blame(x.where(), "select", [&] {
    const Shape shape = x.shape();
    const int resolved = shape.normalized_axis(axis);
    const std::int64_t extent = shape[resolved];
    if (index < -extent || index >= extent) {
      throw ValueError(fmt::format("index {} does not exist along axis {} of {}", index, axis,
                                   to_string(shape)));
    }
    return Range{resolved, index < 0 ? index + extent : index, 1, 1, extent};
  });
  return record(kSelect, {x}, range);
}

Variables split(const Operand& x, int count, int axis) {
  const std::int64_t part = blame(x.where(), "split", [&] {
    if (count < 1) throw ValueError(fmt::format("got {} parts; expected 1 or more", count));
    const std::int64_t extent = x.shape().extent(axis);
    if (extent % count != 0) {
      throw ShapeError(fmt::format("axis {} of {} cannot be cut into {} equal parts", axis,
                                   to_string(x.shape()), count));
    }
    return extent / count;
  });
  Variables parts;
  parts.reserve(static_cast<std::size_t>(count));
  for (int k = 0; k < count; ++k) parts.push_back(slice(x, axis, k * part, (k + 1) * part));
  return parts;
}

}  // namespace unroll
