// Tape: a program recorded op by op. Recording checks types and computes nothing; a value is
// computed when somebody asks for it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <unroll/autograd/op.h>
#include <unroll/autograd/parameter.h>
#include <unroll/autograd/tensor.h>
#include <unroll/autograd/variable.h>

namespace unroll {

/// The transformations applied before execution; each may be switched off, values and gradients
/// then agree within rounding.
struct Passes {
  bool batch = true;       ///< rows that were recorded apart are computed together
  bool fuse = true;        ///< connected pointwise ops run as one, tile by tile
  bool place = true;       ///< parts of an array are written where they belong
  bool accumulate = true;  ///< sums of contributions are written straight into their destination
  bool pack = true;        ///< matrices that many products read are laid out for the kernel once
  bool cache = true;       ///< what was planned for a structure is used when it comes again
  bool reuse = true;       ///< memory of dead values is used again
};

/// Whether this CPU multiplies bfloat16.
bool has_bf16();

struct TapeOptions {
  bool eager = false;    ///< compute each node as it is recorded: for debugging
  bool training = true;  ///< dropout and its kin are active
  /// If not 0: of the values of the forward pass, `gradients(loss, parameters)` keeps about so many
  /// bytes for the backward pass and computes the others again. The time grows by at most about one
  /// forward pass. Results do not change.
  std::size_t memory_budget = 0;
  /// Products of float32 matrices round their operands to bfloat16 (8 bits of mantissa) and sum in
  /// float32. Everything else, parameters and batches of products included, stays float32.
  bool bf16 = false;
  std::uint64_t seed = 0;  ///< of everything random that is recorded on the tape
  Passes passes{};
};

/// How far a tape has got, to come back to when a call fails half-way.
struct TapeMark {
  std::size_t nodes, inputs, attributes, types, leaves, parameters;
  std::uint64_t structure, random_counter;
};

/// Owns recorded nodes and the memory of their values. Not thread-safe; use one tape per thread.
/// Data enters at few doors: `input`, `use` and `constant`; ops then find the tape in their
/// operands. Of one that was moved from all functions throw StateError.
class Tape {
 public:
  /// Throws StateError if `bf16` is asked for and the CPU cannot.
  explicit Tape(TapeOptions options = {});
  ~Tape();
  Tape(Tape&&) noexcept = default;
  Tape& operator=(Tape&& other) noexcept;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// A leaf that holds `value`.
  Variable input(Tensor value, Location at = Location::current());
  /// The leaf of a parameter; the same one at every call. Its value is read when needed; assigning
  /// to the parameter before that makes evaluation throw StateError.
  Variable use(const Parameter& parameter, Location at = Location::current());
  /// Every element is `number`; no gradient flows into it.
  Variable constant(double number, Dtype dtype = Dtype::float32, const Shape& shape = {},
                    Location at = Location::current());

  /// Forgets all nodes but keeps the memory for the next pass; handles become stale.
  /// `seed` replaces the seed of the random ops.
  void reset();
  void reset(std::uint64_t seed);

  /// The number of recorded nodes.
  std::size_t size() const;
  const TapeOptions& options() const;
  void set_training(bool training);

  /// While the returned guard lives, what is recorded is constant for `gradients`.
  class [[nodiscard]] NoGradient {
   public:
    explicit NoGradient(std::shared_ptr<TapeState> state);
    ~NoGradient();
    NoGradient(const NoGradient&) = delete;
    NoGradient& operator=(const NoGradient&) = delete;

   private:
    std::shared_ptr<TapeState> state_;
  };
  NoGradient no_gradient();

  /// Bytes held for values: kept ones, and the working memory of the largest run so far.
  std::size_t memory_bytes() const;
  TapeState& state() const;

 private:
  std::shared_ptr<TapeState> state_;
};

/// Records `op` on the tape of its operands and returns the result's handle. This is all an op
/// function does. Throws what the op's shape rule throws, with the caller's line in front;
/// StateError for stale operands or operands of different tapes. The tape is then as it was.
Variable record_bytes(const Op& op, std::span<const Operand> inputs,
                      std::span<const std::byte> attributes);
inline Variable record(const Op& op, std::span<const Operand> inputs) {
  return record_bytes(op, inputs, {});
}
inline Variable record(const Op& op, std::initializer_list<Operand> inputs) {
  return record_bytes(op, std::span<const Operand>(inputs.begin(), inputs.size()), {});
}
template <class A>
requires std::is_trivially_copyable_v<A> Variable record(const Op& op,
                                                         std::span<const Operand> inputs,
                                                         const A& attributes) {
  return record_bytes(op, inputs, std::as_bytes(std::span<const A, 1>(&attributes, 1)));
}
template <class A>
requires std::is_trivially_copyable_v<A> Variable record(const Op& op,
                                                         std::initializer_list<Operand> inputs,
                                                         const A& attributes) {
  return record(op, std::span<const Operand>(inputs.begin(), inputs.size()), attributes);
}

/// The same value, through which no gradient flows.
Variable detach(const Operand& x);

/// x as a variable: itself, or its leaf on the tape of `beside`. For the op function `op` that
/// records a reshape or the like of an operand first. Throws StateError if neither is on a tape.
Variable on_tape(const Operand& x, const Operand& beside, std::string_view op);

/// Tape::constant, Tape::input and Tape::use on the tape of a variable: for layers, which hold no
/// tape.
Variable constant_like(const Variable& on_tape_of, double number, Dtype dtype,
                       const Shape& shape = {});
Variable input_like(const Variable& on_tape_of, Tensor value);
Variable use_like(const Variable& on_tape_of, const Parameter& parameter);

/// A fresh number per call from the tape's seed: the key of a random op.
std::uint64_t next_random_key(const Variable& on_tape_of);

/// Computes several values in one run. Only they are kept; what was computed on the way is
/// released, and computed again should somebody ask for it.
void evaluate(std::span<const Variable> roots, Location at = Location::current());
inline void evaluate(std::initializer_list<Variable> roots, Location at = Location::current()) {
  evaluate(std::span<const Variable>(roots.begin(), roots.size()), at);
}

/// The program as text, one node per line: number, op, operands, type, place in the user's code.
std::string to_string(const Tape& tape);

}  // namespace unroll
