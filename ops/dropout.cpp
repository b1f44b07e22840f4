// dropout    y = x m,   dx = m dy, with a mask m of 0 and 1 / (1 - rate)
// The mask is an op without inputs: a function of its key, its rate and its type.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/recorded_at.h>
#include <unroll/autograd/tape_state.h>
#include <unroll/ops/checks.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>

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
  // Looked up, as a branch would often be mispredicted.
  const std::array<T, 2> factors{T{0}, static_cast<T>(1 / (1 - rate))};
  const auto factor = [&](std::uint32_t word) { return factors[word >= drop_below]; };
  const std::int64_t blocks = n / 4;
  for (std::int64_t block = 0; block < blocks; ++block, out += 4) {
    const auto words = philox(key, static_cast<std::uint64_t>(block));
    std::transform(words.begin(), words.end(), out, factor);
  }
  const auto words = philox(key, static_cast<std::uint64_t>(blocks));
  std::transform(words.begin(), words.begin() + n % 4, out, factor);
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
  std::size_t data_bytes() const override { return sizeof(MaskAttributes::key); }
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
    expect_floating(x.variable()->dtype());
    return *x.variable();
  });
}

bool drops(const Variable& x, double rate) { return in_training(x) && rate > 0; }

Variable mask(const Variable& like, double rate, const Location& where) {
  TapeState& state = like.state();
  const MaskAttributes attributes{next_random_key(like), rate, like.type()};
  const auto bytes = std::as_bytes(std::span<const MaskAttributes, 1>(&attributes, 1));
  return blame_memory(where, "dropout", [&]() -> Variable {
    return {like.shared_state(), record_node(state, kDropoutMask, {}, bytes, where),
            state.generation};
  });
}

}  // namespace

bool in_training(const Variable& on_tape_of) { return on_tape_of.state().options.training; }

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
