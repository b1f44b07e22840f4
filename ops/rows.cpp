// rows    y[..., :] = table[ids[...], :],   dtable[ids[...], :] += dy[..., :]
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

/// The table's gradient. Gradients of parameters read its inputs instead of running it.
class RowsGrad final : public Op {
 public:
  RowsGrad() : Op("rows.grad", {.accumulates = true, .internal = true, .row_sparse = true}) {}

  Type infer(const Signature& call) const override {
    const Type& drows = call.input(1);
    return {drows.dtype, Shape{call.attributes.as<std::int64_t>(), drows.shape.extent(-1)}};
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return scatter<float>(call);
    scatter<double>(call);
  }

  void derive(Derivation& d) const override { d.add(1, rows(d.cotangent(), d.input(0))); }

  std::size_t attribute_bytes() const override { return sizeof(std::int64_t); }

 private:
  template <class T>
  static void scatter(const KernelCall& call) {
    const ConstView& ids = call.input(0);
    const std::int64_t count = call.output.shape()[0], width = call.output.shape()[1];
    T* const table = call.output.as<T>();
    if (!call.accumulate) std::fill_n(table, call.output.size(), T{0});
    for (std::int64_t k = 0; k < ids.size(); ++k) {
      row::add_to(table + checked_index(ids, k, count) * width, call.input(1).as<T>() + k * width,
                  width);
    }
  }
};

const RowsGrad kRowsGrad;

class Rows final : public Op {
 public:
  Rows() : Op("rows") {}

  Type infer(const Signature& call) const override {
    const Type &table = call.input(0), &ids = call.input(1);
    if (!is_floating(table.dtype) || ids.dtype != Dtype::int32) {
      throw DtypeError(fmt::format("got a {} table and {} ids; expected a floating table and int32",
                                   name_of(table.dtype), name_of(ids.dtype)));
    }
    if (table.shape.rank() != 2) {
      throw ShapeError(
          fmt::format("got a table of shape {}; expected [rows, width]", to_string(table.shape)));
    }
    return {table.dtype, ids.shape.inserted(ids.shape.rank(), table.shape[1])};
  }

  void run(const KernelCall& call) const override {
    const ConstView &table = call.input(0), &ids = call.input(1);
    const std::int64_t count = table.shape()[0];
    const auto row_bytes = static_cast<std::size_t>(table.shape()[1]) * size_of(table.dtype());
    const auto* from = static_cast<const std::byte*>(table.data);
    auto* out = static_cast<std::byte*>(call.output.data);
    for (std::int64_t k = 0; k < ids.size(); ++k, out += row_bytes) {
      const auto id = static_cast<std::size_t>(checked_index(ids, k, count));
      if (row_bytes > 0) std::memcpy(out, from + id * row_bytes, row_bytes);
    }
  }

  void derive(Derivation& d) const override {
    d.add(0, record(kRowsGrad, {d.input(1), d.cotangent()}, d.input(0).shape()[0]));
  }
};

const Rows kRows;

}  // namespace

Variable rows(const Operand& table, const Operand& ids) { return record(kRows, {table, ids}); }

}  // namespace unroll
