// gather         y[..., i, ...] = x[..., index[..., i, ...], ...]
// scatter_add    y = x, then y[..., index[..., i, ...], ...] += source[..., i, ...]
// Each is the derivative of the other.
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/recorded.h>
#include <unroll/ops/axes.h>
#include <unroll/ops/checked_index.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// Calls f(k, offset) for each element k of `index`, with the offset that it stands for in an
/// array of shape `whole`.
template <class F>
void for_each_indexed(const ConstView& index, const Shape& whole, int axis, F f) {
  const Shape& shape = index.shape();
  const int last = shape.rank() - 1;
  const auto strides = row_major_strides(whole);
  const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
  const std::int64_t step = axis == last ? 0 : 1, bound = whole[axis], n = shape[last];
  std::array<std::int64_t, Shape::kMaxRank> position{};
  std::int64_t base = 0;  // of the coordinates in front of the last one, but for `axis`
  for (std::int64_t k = 0, total = shape.size(); k < total;) {
    for (std::int64_t i = 0; i < n; ++i, ++k) {
      f(k, base + i * step + checked_index(index, k, bound) * stride);
    }
    for (int a = last; a-- > 0;) {
      const auto at = static_cast<std::size_t>(a);
      const std::int64_t move = a == axis ? 0 : strides[at];
      base += move;
      if (++position[at] < shape[a]) break;
      base -= move * shape[a];
      position[at] = 0;
    }
  }
}

/// An index picks from `whole`: equal ranks, and nowhere but along `axis` larger.
void expect_index(const Type& index, const Shape& whole, int axis) {
  if (index.dtype != Dtype::int32) {
    throw DtypeError(fmt::format("got {} indices; expected int32", name_of(index.dtype)));
  }
  bool fits = index.shape.rank() == whole.rank();
  for (int a = 0; fits && a < whole.rank(); ++a) {
    fits = a == axis || index.shape[a] <= whole[a];
  }
  if (!fits) {
    throw ShapeError(
        fmt::format("got indices of shape {} along axis {} of {}; expected the same "
                    "rank and, along the other axes, no larger extents",
                    to_string(index.shape), axis, to_string(whole)));
  }
}

class Gather final : public Op {
 public:
  Gather() : Op("gather") {}

  Type infer(const Signature& call) const override {
    expect_index(call.input(1), call.input(0).shape, call.attributes.as<int>());
    return {call.input(0).dtype, call.input(1).shape};
  }

  void run(const KernelCall& call) const override {
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const T* const x = call.input(0).as<T>();
      T* const y = call.output.as<T>();
      for_each_indexed(call.input(1), call.input(0).shape(), call.attributes.as<int>(),
                       [&](std::int64_t k, std::int64_t offset) { y[k] = x[offset]; });
    });
  }

  void derive(Derivation& d) const override {
    const Variable x = d.input(0), zeros = constant_like(x, 0, x.dtype(), x.shape());
    d.add(0, scatter_add(zeros, d.attributes<int>(), d.input(1), d.cotangent()));
  }

  std::size_t attribute_bytes() const override { return sizeof(int); }
};

class ScatterAdd final : public Op {
 public:
  ScatterAdd() : Op("scatter_add") {}

  Type infer(const Signature& call) const override {
    const Type &x = call.input(0), &index = call.input(1), &source = call.input(2);
    expect_index(index, x.shape, call.attributes.as<int>());
    if (!is_floating(x.dtype) || x.dtype != source.dtype) {
      throw DtypeError(fmt::format("got {} and a source of {}; expected one floating dtype",
                                   name_of(x.dtype), name_of(source.dtype)));
    }
    if (source.shape != index.shape) {
      throw ShapeError(
          fmt::format("got a source of shape {} for indices of shape {}; expected "
                      "the same rank and no smaller extents",
                      to_string(source.shape), to_string(index.shape)));
    }
    return x;
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return scatter<float>(call);
    scatter<double>(call);
  }

  void derive(Derivation& d) const override {
    d.add(0, d.cotangent());
    if (d.wanted(2)) d.add(2, gather(d.cotangent(), d.attributes<int>(), d.input(1)));
  }

  std::size_t attribute_bytes() const override { return sizeof(int); }

 private:
  template <class T>
  static void scatter(const KernelCall& call) {
    const T* const source = call.input(2).as<T>();
    T* const y = call.output.as<T>();
    if (call.output.size() > 0) {
      std::memcpy(y, call.input(0).data, static_cast<std::size_t>(call.output.size()) * sizeof(T));
    }
    for_each_indexed(call.input(1), call.output.shape(), call.attributes.as<int>(),
                     [&](std::int64_t k, std::int64_t offset) { y[offset] += source[k]; });
  }
};

const Gather kGather;
const ScatterAdd kScatterAdd;

}  // namespace

Variable gather(const Operand& x, int axis, const Operand& index) {
  return record(kGather, {x, index}, axis_of(x, axis, "gather"));
}

Variable scatter_add(const Operand& x, int axis, const Operand& index, const Operand& source) {
  return blame(x.where(), "scatter_add", [&] {
    const int chosen = axis_of(x, axis, "scatter_add");
    const Shape to = index.shape(), from = source.shape();
    bool larger = from.rank() == to.rank() && from != to;
    for (int a = 0; larger && a < to.rank(); ++a) larger = from[a] >= to[a];
    if (!larger) return record(kScatterAdd, {x, index, source}, chosen);
    const Operand& anchor = source.variable() != nullptr  ? source
                            : index.variable() != nullptr ? index
                                                          : x;
    TapeState& state = on_tape(anchor, anchor, "scatter_add").state();
    return recorded(state, x.where(), "scatter_add", [&] {
      Variable part = on_tape(source, anchor, "scatter_add");
      for (int a = 0; a < to.rank(); ++a) part = slice(part, a, 0, to[a]);
      return record(kScatterAdd, {x, index, part}, chosen);
    });
  });
}

}  // namespace unroll
