// layer_norm    y = n gain + bias with n = (x - mean) r, r = 1 / sqrt(var + epsilon), per row
//     g = dy gain,   dx = r (g - mean(g) - n mean(g n)),   dgain = sum dy n,   dbias = sum dy
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/row_math.h>
#include <unroll/ops/softmax.h>

namespace unroll {

namespace {

/// out = x - mean(x); returns r.
template <class T>
T centre(const T* x, double epsilon, T* out, std::int64_t n) {
  const auto count = static_cast<T>(n);
  row::scale_shift(x, 1, -row::sum(x, n) / count, out, n);
  return T{1} / std::sqrt(row::dot(out, out, n) / count + static_cast<T>(epsilon));
}

/// n and r, out of ops that have derivatives.
struct Normalized {
  Normalized(const Variable& x, double epsilon) {
    const Variable centred = x - mean(x, -1, true);
    r = rsqrt(mean(square(centred), -1, true) + epsilon);
    n = centred * r;
  }
  Variable n, r;
};

/// Inputs x and g.
class LayerNormGrad final : public Op {
 public:
  LayerNormGrad() : Op("layer_norm.grad", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return rows<float>(call);
    rows<double>(call);
  }
  void derive(Derivation& d) const override {
    const Variable x = d.input(0), g = d.input(1);
    derive_through(d, [&] {
      const auto [n, r] = Normalized(x, d.attributes<double>());
      return r * (g - mean(g, -1, true) - n * mean(g * n, -1, true));
    });
  }
  std::size_t attribute_bytes() const override { return sizeof(double); }

 private:
  template <class T>
  static void rows(const KernelCall& call) {
    const std::int64_t n = call.output.shape().extent(-1);
    for (std::int64_t at = 0; at < call.output.size(); at += n) {
      const T* const g = call.input(1).as<T>() + at;
      T* const dx = call.output.as<T>() + at;
      const T r = centre(call.input(0).as<T>() + at, call.attributes.as<double>(), dx, n);
      const T mean_g = row::sum(g, n) / static_cast<T>(n);
      const T mean_gn = row::dot(g, dx, n) * r / static_cast<T>(n);
      // r may be large, so it comes last: the sum in front cancels exactly where it should.
      row::scale_shift(dx, -r * mean_gn, -mean_g, dx, n);
      row::add_to(dx, g, n);
      row::scale_shift(dx, r, 0, dx, n);
    }
  }
};

/// Inputs x and dy.
class GainGrad final : public Op {
 public:
  GainGrad() : Op("layer_norm.gain_grad", {.accumulates = true, .internal = true}) {}
  Type infer(const Signature& call) const override {
    return {call.input(0).dtype, Shape{call.input(0).shape.extent(-1)}};
  }
  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return rows<float>(call);
    rows<double>(call);
  }
  void derive(Derivation& d) const override {
    const Variable x = d.input(0), dy = d.input(1);
    derive_through(d, [&] {
      const auto [n, r] = Normalized(x, d.attributes<double>());
      return sum_to(dy * n, Shape{x.shape().extent(-1)});
    });
  }
  std::size_t attribute_bytes() const override { return sizeof(double); }

 private:
  template <class T>
  static void rows(const KernelCall& call) {
    const std::int64_t n = call.output.size();
    T* const dgain = call.output.as<T>();
    if (!call.accumulate) std::fill_n(dgain, n, T{0});
    for (std::int64_t at = 0; at < call.input(0).size(); at += n) {
      add_row(call.input(0).as<T>() + at, call.input(1).as<T>() + at, call.attributes.as<double>(),
              dgain, n);
    }
  }

  template <class T>
  static void add_row(const T* __restrict x, const T* __restrict dy, double epsilon,
                      T* __restrict dgain, std::int64_t n) {
    const T mean = row::sum(x, n) / static_cast<T>(n);
    // Tile by tile, as there is no row of memory for x - mean.
    constexpr std::int64_t kTile = 256;
    T tile[kTile];
    const auto for_each_tile = [&](auto use) {
      for (std::int64_t i = 0; i < n; i += kTile) {
        const std::int64_t m = std::min(kTile, n - i);
        row::scale_shift(x + i, 1, -mean, tile, m);
        use(i, m);
      }
    };
    T squares = 0;
    for_each_tile([&](std::int64_t, std::int64_t m) { squares += row::dot(tile, tile, m); });
    const T r = T{1} / std::sqrt(squares / static_cast<T>(n) + static_cast<T>(epsilon));
    for_each_tile([&](std::int64_t i, std::int64_t m) {
      row::multiply_by(tile, dy + i, m);
      row::add_scaled(dgain + i, tile, r, m);
    });
  }
};

const LayerNormGrad kLayerNormGrad;
const GainGrad kGainGrad;

class LayerNorm final : public Op {
 public:
  LayerNorm() : Op("layer_norm") {}

  Type infer(const Signature& call) const override {
    const Type &x = call.input(0), &gain = call.input(1), &bias = call.input(2);
    if (!is_floating(x.dtype) || gain.dtype != x.dtype || bias.dtype != x.dtype) {
      throw DtypeError(fmt::format("got {}, gain {}, bias {}; expected one floating dtype",
                                   name_of(x.dtype), name_of(gain.dtype), name_of(bias.dtype)));
    }
    if (x.shape.rank() == 0 || gain.shape != Shape{x.shape.extent(-1)} ||
        bias.shape != gain.shape) {
      throw ShapeError(
          fmt::format("got {}, gain {}, bias {}; expected gain and bias with the "
                      "extent of the last axis",
                      to_string(x.shape), to_string(gain.shape), to_string(bias.shape)));
    }
    return x;
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return rows<float>(call);
    rows<double>(call);
  }

  void derive(Derivation& d) const override {
    const Variable x = d.input(0), gain = d.input(1), dy = d.cotangent();
    const auto epsilon = d.attributes<double>();
    if (d.wanted(0)) d.add(0, record(kLayerNormGrad, {x, dy * gain}, epsilon));
    if (d.wanted(1)) d.add(1, record(kGainGrad, {x, dy}, epsilon));
    if (d.wanted(2)) d.add(2, sum_to(dy, gain.shape()));
  }
  std::size_t attribute_bytes() const override { return sizeof(double); }

 private:
  template <class T>
  static void rows(const KernelCall& call) {
    const std::int64_t n = call.output.shape().extent(-1);
    for (std::int64_t at = 0; at < call.output.size(); at += n) {
      T* const y = call.output.as<T>() + at;
      const T r = centre(call.input(0).as<T>() + at, call.attributes.as<double>(), y, n);
      row::scale_shift(y, r, 0, y, n);
      row::multiply_by(y, call.input(1).as<T>(), n);
      row::add_to(y, call.input(2).as<T>(), n);
    }
  }
};

const LayerNorm kLayerNorm;

}  // namespace

Variable layer_norm(const Operand& x, const Operand& gain, const Operand& bias, double epsilon) {
  blame(x.where(), "layer_norm", [&] {
    if (!(epsilon >= 0)) {
      throw ValueError(fmt::format("got epsilon {}; expected at least 0", epsilon));
    }
  });
  return record(kLayerNorm, {x, gain, bias}, epsilon);
}

}  // namespace unroll
