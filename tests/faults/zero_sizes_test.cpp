// Zero sizes: every axis of every argument of every call is made empty, alone and in pairs; what is
// accepted gives values, and gradients of the arguments' shapes without NaN.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>
#include <unroll/ops/ops.h>
#include <unroll/tests/faults/calls.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

struct Axis {
  std::size_t argument;
  int axis;
  std::int64_t extent;
};

std::vector<Axis> axes_of(const Call& call) {
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    if (call.arguments[i].kind != Argument::Kind::array) continue;
    const Shape& shape = call.arguments[i].value.shape();
    for (int axis = 0; axis < shape.rank(); ++axis) axes.push_back({i, axis, shape[axis]});
  }
  return axes;
}

Call emptied(Call call, const std::vector<Axis>& axes) {
  for (const Axis& at : axes) {
    Tensor& value = call.arguments[at.argument].value;
    value = Tensor(value.shape().with(at.axis, 0), value.dtype());
  }
  return call;
}

/// The call with every axis of extent `none` empty and every axis of extent `many` enormous;
/// nothing if an array of it would not be empty then, or none would be enormous.
std::optional<Call> stretched(Call call, std::int64_t none, std::int64_t many) {
  // A result of so many numbers is beyond any address space, so it is refused at once.
  constexpr std::int64_t kEnormous = std::int64_t{1} << 45;
  bool has_enormous = false;
  for (Argument& argument : call.arguments) {
    if (argument.kind != Argument::Kind::array) continue;
    Shape shape = argument.value.shape();
    bool is_stretched = false;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == none) shape = shape.with(axis, 0);
    }
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != many) continue;
      if (shape.size() != 0 || is_stretched) return std::nullopt;
      shape = shape.with(axis, kEnormous);
      has_enormous = is_stretched = true;
    }
    argument.value = Tensor(shape, argument.value.dtype());
  }
  return has_enormous ? std::optional(std::move(call)) : std::nullopt;
}

/// Values and gradients of the call, computed; throws an Error if it is refused.
void run(const Call& call) {
  World world(call);
  const Result result = call.call(world);
  bits_of(world, result);
  Variables outputs, cotangents, wrt;
  for (const Variable& y : result.variables) {
    if (!is_floating(y.dtype())) continue;
    outputs.push_back(y);
    cotangents.push_back(world.tape.constant(1, y.dtype(), y.shape()));
  }
  for (const Variable& x : world.variables) {
    if (x.defined() && is_floating(x.dtype())) wrt.push_back(x);
  }
  if (outputs.empty() || wrt.empty()) return;
  const Variables gradients = vector_jacobian_product(outputs, cotangents, wrt);
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    if (!gradients[i].defined()) continue;
    const Tensor value = gradients[i].value();
    CHECK(value.shape() == wrt[i].shape());
    CHECK(std::ranges::none_of(value.to(Dtype::float64).data<double>(),
                               [](double g) { return std::isnan(g); }));
  }
}

/// True if the call was accepted.
bool works_or_says_why(const Call& call) {
  try {
    run(call);
    return true;
  } catch (const OutOfMemory&) {  // a sum over the empty axis, say: all zeros, but too many
    return false;
  } catch (const Error& error) {
    CHECK(contains(error.what(), call.function));
    return false;
  }
}

}  // namespace

TEST_CASE("zero sizes work, forwards and backwards, or are refused by name", "[faults]") {
  int tried = 0, accepted = 0;
  for (const Call& call : all_calls()) {
    const std::vector<Axis> axes = axes_of(call);
    for (std::size_t a = 0; a < axes.size(); ++a) {
      for (std::size_t b = a; b < axes.size(); ++b) {
        const Call empty = emptied(call, {axes[a], axes[b]});
        INFO(call.function << ": axes " << axes[a].argument << "." << axes[a].axis << " and "
                           << axes[b].argument << "." << axes[b].axis);
        accepted += works_or_says_why(empty) ? 1 : 0;
        ++tried;
      }
    }
    if (axes.empty()) continue;
    // Every axis of one extent empty: then the arguments fit each other again.
    for (const std::int64_t extent : {2, 3, 4, 5}) {
      std::vector<Axis> same;
      std::ranges::copy_if(axes, std::back_inserter(same),
                           [&](const Axis& axis) { return axis.extent == extent; });
      if (same.empty()) continue;
      INFO(call.function << ": all axes of extent " << extent);
      accepted += works_or_says_why(emptied(call, same)) ? 1 : 0;
      ++tried;
    }
  }
  CHECK(tried >= 970);
  CHECK(accepted >= 460);
}

TEST_CASE("no elements take no time, however long the other axes are", "[faults]") {
  int tried = 0, accepted = 0;
  for (const Call& call : all_calls()) {
    for (const std::int64_t none : {2, 3, 4, 5}) {
      for (const std::int64_t many : {2, 3, 4, 5}) {
        if (none == many) continue;
        const std::optional<Call> one = stretched(call, none, many);
        if (!one) continue;
        INFO(call.function << ": axes of " << none << " are empty, axes of " << many
                           << " enormous");
        accepted += works_or_says_why(*one) ? 1 : 0;
        ++tried;
      }
    }
  }
  CHECK(tried >= 270);
  CHECK(accepted >= 130);
}
