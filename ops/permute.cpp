// permute    y's axis k is x's axis order[k],   dx += dy with the axes back in place
#include <unroll/ops/permute.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/shaping.h>

namespace unroll {

namespace {

/// Entries from the rank on are their own position.
using Order = std::array<int, Shape::kMaxRank>;

Order identity_order() {
  Order order{};
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

Shape permuted(const Shape& shape, const Order& order) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  for (int k = 0; k < shape.rank(); ++k) extents[at(k)] = shape[order[at(k)]];
  return Shape(std::span<const std::int64_t>(extents.data(), at(shape.rank())));
}

/// The axes of y, outermost first, with their steps in x; axes that follow each other in both
/// arrays are merged, and axes of one element left out.
struct Walk {
  struct Axis {
    std::int64_t extent, in, out;
  };
  std::array<Axis, Shape::kMaxRank> axes{};
  std::size_t rank = 0;

  Walk(const Shape& x, const Order& order) {
    const auto steps = row_major_strides(x);
    for (int k = 0; k < x.rank(); ++k) {
      const std::int64_t extent = x[order[at(k)]], in = steps[at(order[at(k)])];
      if (extent == 1) continue;
      if (rank > 0 && axes[rank - 1].in == in * extent) {
        axes[rank - 1].extent *= extent;
        axes[rank - 1].in = in;
      } else {
        axes[rank++] = {extent, in, 0};
      }
    }
    std::int64_t out = 1;
    for (std::size_t k = rank; k-- > 0; out *= axes[k].extent) axes[k].out = out;
  }

  bool keeps_order() const { return rank < 2; }

  /// Takes out the axis along which x (y) steps by 1; there is one unless the order is kept.
  template <std::int64_t Axis::*step>
  Axis remove_innermost() {
    const auto end = axes.begin() + static_cast<std::ptrdiff_t>(rank);
    const auto found = std::find_if(axes.begin(), end, [](const Axis& a) { return a.*step == 1; });
    const Axis result = *found;
    std::copy(found + 1, end, found);
    --rank;
    return result;
  }

  /// Calls f(in, out) for every position along the axes that are left.
  template <class F>
  void for_each(F f) const {
    std::array<std::int64_t, Shape::kMaxRank> position{};
    std::int64_t in = 0, out = 0;
    for (;;) {
      f(in, out);
      std::size_t k = rank;
      while (k-- > 0) {
        in += axes[k].in;
        out += axes[k].out;
        if (++position[k] < axes[k].extent) break;
        in -= axes[k].in * axes[k].extent;
        out -= axes[k].out * axes[k].extent;
        position[k] = 0;
        if (k == 0) return;
      }
      if (rank == 0) return;
    }
  }
};

/// y[i, j] = x[j, i]: a plane along whose axes x and y step by 1, in squares that fit the cache.
template <class T>
void transpose_plane(const T* x, const Walk::Axis& fast_in, const Walk::Axis& fast_out, T* y) {
  constexpr std::int64_t kSquare = 16;
  for (std::int64_t i0 = 0; i0 < fast_in.extent; i0 += kSquare) {
    const std::int64_t i1 = std::min(i0 + kSquare, fast_in.extent);
    for (std::int64_t j0 = 0; j0 < fast_out.extent; j0 += kSquare) {
      const std::int64_t j1 = std::min(j0 + kSquare, fast_out.extent);
      for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) y[i * fast_in.out + j] = x[j * fast_out.in + i];
      }
    }
  }
}

class Permute final : public Op {
 public:
  Permute() : Op("permute") {}

  Type infer(const Signature& call) const override {
    const Type& x = call.input(0);
    return {x.dtype, permuted(x.shape, call.attributes.as<Order>())};
  }
  std::int64_t alias_offset(const Signature& call, const Type& y) const override {
    if (y.shape.size() == 0) return 0;
    return Walk(call.input(0).shape, call.attributes.as<Order>()).keeps_order() ? 0 : -1;
  }
  void run(const KernelCall& call) const override {
    Walk walk(call.input(0).shape(), call.attributes.as<Order>());
    with_element(call.output.dtype(), [&]<class T>(T*) {
      const T* const x = call.input(0).as<T>();
      T* const y = call.output.as<T>();
      const Walk::Axis fast_out = walk.remove_innermost<&Walk::Axis::out>();
      if (fast_out.in == 1) {
        walk.for_each([&](std::int64_t in, std::int64_t out) {
          std::copy_n(x + in, fast_out.extent, y + out);
        });
      } else {
        const Walk::Axis fast_in = walk.remove_innermost<&Walk::Axis::in>();
        walk.for_each([&](std::int64_t in, std::int64_t out) {
          transpose_plane(x + in, fast_in, fast_out, y + out);
        });
      }
    });
  }
  void derive(Derivation& d) const override;
  std::size_t attribute_bytes() const override { return sizeof(Order); }
};

const Permute kPermute;

void Permute::derive(Derivation& d) const {
  const auto order = d.attributes<Order>();
  Order back{};
  for (std::size_t k = 0; k < order.size(); ++k) back[at(order[k])] = static_cast<int>(k);
  d.add(0, record(kPermute, {d.cotangent()}, back));
}

}  // namespace

Variable permute(const Operand& x, std::span<const int> order) {
  const Order resolved = blame(x.where(), "permute", [&] {
    const Shape shape = x.shape();
    if (order.size() != at(shape.rank())) {
      throw ShapeError(fmt::format("got an order of {} axes for shape {}; expected {}",
                                   order.size(), to_string(shape), shape.rank()));
    }
    Order axes = identity_order();
    std::array<bool, Shape::kMaxRank> seen{};
    std::size_t k = 0;
    for (const int axis : order) {
      axes[k] = shape.normalized_axis(axis);
      if (std::exchange(seen[at(axes[k++])], true)) {
        throw ValueError(fmt::format("axis {} is named twice", axis));
      }
    }
    return axes;
  });
  if (resolved == identity_order() && x.variable() != nullptr) return *x.variable();
  return record(kPermute, {x}, resolved);
}

Variable permute(const Operand& x, std::initializer_list<int> order) {
  return permute(x, std::span<const int>(order.begin(), order.size()));
}

Variable transpose(const Operand& x, int axis_a, int axis_b) {
  return blame(x.where(), "transpose", [&] {
    const Shape shape = x.shape();
    Order axes = identity_order();
    std::swap(axes[at(shape.normalized_axis(axis_a))], axes[at(shape.normalized_axis(axis_b))]);
    if (axes == identity_order() && x.variable() != nullptr) return *x.variable();
    return record(kPermute, {x}, axes);
  });
}

bool is_transpose_of_last_axes(const Variable& x, Variable& source) {
  const TapeState& state = x.state();
  const Node& node = state.nodes[x.index()];
  const int rank = node.type->shape.rank();
  if (node.op != &kPermute || rank < 2) return false;
  Order expected = identity_order();
  std::swap(expected[at(rank - 2)], expected[at(rank - 1)]);
  if (state.attributes_of(node).as<Order>() != expected) return false;
  source = Variable(x.shared_state(), state.inputs_of(node)[0], state.generation);
  return true;
}

}  // namespace unroll
