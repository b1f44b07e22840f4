// dropout    y = x m,   dx = m dy, with a mask m of 0 and 1 / (1 - rate)
// The mask is an op without inputs: a function of its key, its rate and its type.
#include <cmath>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/recorded_at.h>

namespace unroll {

namespace {

struct MaskAttributes {
  std::uint64_t key;
  double rate;
  Type type;
};

/// Element i is word i % 4 of block i / 4 of the key's stream, compared to rate 2^32.
template <class T>
void draw_mask(T* out, std::int64_t n, std::uint64_t key, double rate) {
  const auto drop_below = static_cast<std::uint64_t>(std::ldexp(rate, 32));
  const auto kept = static_cast<T>(1 / (1 - rate));
  for (std::int64_t i = 0; i < n; i += 4) {
    const auto words = philox(key, static_cast<std::uint64_t>(i / 4));
    for (std::int64_t k = 0; k < 4 && i + k < n; ++k) {
      out[i + k] = words[static_cast<std::size_t>(k)] < drop_below ? T{0} : kept;
    }
  }
}

class DropoutMask final : public Op {
 public:
  DropoutMask() : Op("dropout_mask") {}
  Type infer(const Signature& call) const override {
    return call.attributes.as<MaskAttributes>().type;
  }
  void run(const KernelCall& call) const override {
    const auto a = call.attributes.as<MaskAttributes>();
    if (call.output.dtype() == Dtype::float32) {
      return draw_mask(call.output.as<float>(), call.output.size(), a.key, a.rate);
    }
    draw_mask(call.output.as<double>(), call.output.size(), a.key, a.rate);
  }
  std::size_t attribute_bytes() const override { return sizeof(MaskAttributes); }
};

const DropoutMask kDropoutMask;

/// The variable behind x, which tells the tape; all checks come before a key is drawn.
Variable checked(const Operand& x, double rate, std::string_view name) {
  return blame(x.where(), name, [&] {
    if (!(rate >= 0 && rate < 1)) {
      throw ValueError(fmt::format("got rate {}; expected 0 <= rate < 1", rate));
    }
    if (x.variable() == nullptr) {
      throw StateError("the operand is not on a tape; put it there by tape.use(...)");
    }
    const Dtype dtype = x.variable()->dtype();
    if (!is_floating(dtype)) {
      throw DtypeError(fmt::format("got {}; expected float32 or float64", name_of(dtype)));
    }
    return *x.variable();
  });
}

bool drops(const Variable& x, double rate) { return x.state().options.training && rate > 0; }

Variable mask(const Variable& like, double rate, const Location& where) {
  TapeState& state = like.state();
  const MaskAttributes attributes{next_random_key(like), rate, like.type()};
  const auto bytes = std::as_bytes(std::span<const MaskAttributes, 1>(&attributes, 1));
  return {like.shared_state(), record_node(state, kDropoutMask, {}, bytes, where),
          state.generation};
}

}  // namespace

Variable dropout_mask(const Operand& like, double rate) {
  const Variable x = checked(like, rate, "dropout_mask");
  const RecordedAt place(x, like.where());
  return drops(x, rate) ? mask(x, rate, like.where()) : constant_like(x, 1, x.dtype(), x.shape());
}

Variable dropout(const Operand& x, double rate) {
  const Variable variable = checked(x, rate, "dropout");
  if (!drops(variable, rate)) return variable;
  return mul(x, mask(variable, rate, x.where()));
}

}  // namespace unroll
