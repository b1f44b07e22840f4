// concat    y = parts one after another along an axis,   dpart += its slice of dy
// stack     y = parts one after another along a new axis,   dpart += its element of dy
#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// Throws unless part k has the dtype of part 0 and, except along `free_axis`, its shape.
void expect_alike(const Signature& call, std::size_t k, int free_axis) {
  const Type &first = call.input(0), &part = call.input(k);
  if (part.dtype != first.dtype) {
    throw DtypeError(fmt::format("part 0 is {} and part {} is {}; expected one dtype",
                                 name_of(first.dtype), k, name_of(part.dtype)));
  }
  bool alike = part.shape.rank() == first.shape.rank();
  for (int axis = 0; alike && axis < first.shape.rank(); ++axis) {
    alike = axis == free_axis || part.shape[axis] == first.shape[axis];
  }
  if (alike) return;
  const auto expected = free_axis < 0
                            ? std::string("equal shapes")
                            : fmt::format("equal extents except along axis {}", free_axis);
  throw ShapeError(fmt::format("part 0 is {} and part {} is {}; expected {}",
                               to_string(first.shape), k, to_string(part.shape), expected));
}

/// Where the parts lie, interleaved `outer` times.
std::vector<Region> regions_of(const Signature& call, std::int64_t outer) {
  std::vector<Region> regions;
  std::int64_t offset = 0;
  for (const Type* part : call.inputs) {
    const std::int64_t columns = outer == 0 ? 0 : part->shape.size() / outer;
    regions.push_back({offset, outer, columns, 0});
    offset += columns;
  }
  for (Region& region : regions) region.stride = offset;
  return regions;
}

class Concat final : public Op {
 public:
  Concat() : Op("concat") {}

  Type infer(const Signature& call) const override {
    const int axis = call.attributes.as<int>();
    const Type& first = call.input(0);
    std::int64_t extent = 0;
    for (std::size_t k = 0; k < call.inputs.size(); ++k) {
      expect_alike(call, k, axis);
      extent += call.input(k).shape[axis];
    }
    return {first.dtype, first.shape.with(axis, extent)};
  }
  void run(const KernelCall&) const override {}
  std::vector<Region> placed(const Signature& call) const override {
    return regions_of(call, call.input(0).shape.product(0, call.attributes.as<int>()));
  }
  void derive(Derivation& d) const override {
    const int axis = d.attributes<int>();
    std::int64_t begin = 0;
    for (std::size_t k = 0; k < d.input_count(); ++k) {
      const std::int64_t end = begin + d.input(k).shape()[axis];
      if (d.wanted(k)) d.add(k, slice(d.cotangent(), axis, begin, end));
      begin = end;
    }
  }
  std::size_t attribute_bytes() const override { return sizeof(int); }
};

class Stack final : public Op {
 public:
  Stack() : Op("stack") {}

  Type infer(const Signature& call) const override {
    const Type& first = call.input(0);
    for (std::size_t k = 1; k < call.inputs.size(); ++k) expect_alike(call, k, -1);
    const auto count = static_cast<std::int64_t>(call.inputs.size());
    return {first.dtype, first.shape.inserted(call.attributes.as<int>(), count)};
  }
  void run(const KernelCall&) const override {}
  std::vector<Region> placed(const Signature& call) const override {
    return regions_of(call, call.input(0).shape.product(0, call.attributes.as<int>()));
  }
  void derive(Derivation& d) const override {
    for (std::size_t k = 0; k < d.input_count(); ++k) {
      if (!d.wanted(k)) continue;
      d.add(k, select(d.cotangent(), d.attributes<int>(), static_cast<std::int64_t>(k)));
    }
  }
  std::size_t attribute_bytes() const override { return sizeof(int); }
};

const Concat kConcat;
const Stack kStack;

/// Records `op` on parts that are there; `resolve` finds the axis in the shape of the first.
template <class Resolve>
Variable join_parts(const Op& op, std::span<const Variable> parts, const Location& at,
                    Resolve resolve) {
  const int axis = blame(at, op.name(), [&] {
    if (parts.empty()) throw ValueError("got no parts; expected at least one");
    return resolve(parts.front().shape());
  });
  RecycledVector<Operand> operands;
  operands.reserve(parts.size());
  for (const Variable& part : parts) operands.emplace_back(part, at);
  return record(op, operands, axis);
}

}  // namespace

Variable concat(std::span<const Variable> parts, int axis, Location at) {
  return join_parts(kConcat, parts, at,
                    [&](const Shape& shape) { return shape.normalized_axis(axis); });
}
Variable concat(std::initializer_list<Variable> parts, int axis, Location at) {
  return concat(std::span<const Variable>(parts.begin(), parts.size()), axis, at);
}

Variable stack(std::span<const Variable> parts, int axis, Location at) {
  return join_parts(kStack, parts, at, [&](const Shape& shape) {
    const int resolved = axis < 0 ? axis + shape.rank() + 1 : axis;
    if (resolved < 0 || resolved > shape.rank()) {
      throw ShapeError(fmt::format("a new axis {} has no place in shape {} of rank {}", axis,
                                   to_string(shape), shape.rank()));
    }
    return resolved;
  });
}
Variable stack(std::initializer_list<Variable> parts, int axis, Location at) {
  return stack(std::span<const Variable>(parts.begin(), parts.size()), axis, at);
}

}  // namespace unroll
