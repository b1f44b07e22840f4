// take_rows    y[k, ...] = x[ids[k], ...], or 0 if ids[k] is -1,   dx[ids[k], ...] += dy[k, ...]
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/checked_index.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/row_math.h>

namespace unroll {

namespace {

constexpr std::int32_t kNoRow = -1;

class TakeRowsGrad final : public Op {
 public:
  TakeRowsGrad() : Op("take_rows.grad", {.accumulates = true, .internal = true}) {}

  Type infer(const Signature& call) const override {
    return {call.input(1).dtype, call.attributes.as<Shape>()};
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return scatter<float>(call);
    scatter<double>(call);
  }

  void derive(Derivation& d) const override { d.add(1, take_rows(d.cotangent(), d.input(0))); }

  std::size_t attribute_bytes() const override { return sizeof(Shape); }

 private:
  template <class T>
  static void scatter(const KernelCall& call) {
    const ConstView& ids = call.input(0);
    const Shape& shape = call.output.shape();
    const std::int64_t width = shape.product(1, shape.rank());
    const T* from = call.input(1).as<T>();
    T* const to = call.output.as<T>();
    if (!call.accumulate) std::fill_n(to, call.output.size(), T{0});
    for (std::int64_t k = 0; k < ids.size(); ++k, from += width) {
      if (ids.as<std::int32_t>()[k] == kNoRow) continue;
      row::add_to(to + checked_index(ids, k, shape[0], "row") * width, from, width);
    }
  }
};

const TakeRowsGrad kTakeRowsGrad;

class TakeRows final : public Op {
 public:
  TakeRows() : Op("take_rows") {}

  Type infer(const Signature& call) const override {
    const Type &x = call.input(0), &ids = call.input(1);
    if (ids.dtype != Dtype::int32) {
      throw DtypeError(fmt::format("got {} ids; expected int32", name_of(ids.dtype)));
    }
    if (x.shape.rank() == 0) throw ShapeError("got a scalar; expected [rows, ...]");
    Shape shape = ids.shape;
    for (int axis = 1; axis < x.shape.rank(); ++axis) {
      shape = shape.inserted(shape.rank(), x.shape[axis]);
    }
    return {x.dtype, shape};
  }

  void run(const KernelCall& call) const override {
    const ConstView &x = call.input(0), &ids = call.input(1);
    const auto width = static_cast<std::size_t>(x.shape().product(1, x.shape().rank()));
    const std::size_t row_bytes = width * size_of(x.dtype());
    const auto* const from = static_cast<const std::byte*>(x.data);
    auto* to = static_cast<std::byte*>(call.output.data);
    for (std::int64_t k = 0; k < ids.size(); ++k, to += row_bytes) {
      const bool none = ids.as<std::int32_t>()[k] == kNoRow;
      const std::int64_t row = none ? 0 : checked_index(ids, k, x.shape()[0], "row");
      if (row_bytes == 0) continue;
      if (none) {
        std::memset(to, 0, row_bytes);
      } else {
        std::memcpy(to, from + static_cast<std::size_t>(row) * row_bytes, row_bytes);
      }
    }
  }

  void derive(Derivation& d) const override {
    d.add(0, record(kTakeRowsGrad, {d.input(1), d.cotangent()}, d.input(0).shape()));
  }
};

const TakeRows kTakeRows;

}  // namespace

Variable take_rows(const Operand& x, const Operand& ids) { return record(kTakeRows, {x, ids}); }

}  // namespace unroll
