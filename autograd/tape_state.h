// TapeState: the flat lists behind a Tape. Internal: read by recording, gradients, passes,
// execution and printing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/plan_cache.h>
#include <unroll/autograd/tape.h>
#include <unroll/autograd/type_pool.h>

namespace unroll {

/// One recorded operation. Operands precede it on the tape, so the list is in execution order.
struct Node {
  const Op* op = nullptr;
  std::uint32_t first_input = 0;  ///< position in TapeState::inputs
  std::uint32_t input_count = 0;
  std::uint32_t read_count = 0;  ///< operands that the kernel reads: the first ones
  std::uint32_t attributes = 0;  ///< position in TapeState::attributes
  bool differentiable = true;    ///< false: recorded under NoGradient, or detached
  const Type* type = nullptr;    ///< in TapeState::types
  Location where;
};

struct Program;

struct TapeState {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  explicit TapeState(TapeOptions tape_options) : options(tape_options) {}

  TapeOptions options;
  std::uint32_t generation = 0;  ///< grows at reset: older handles are stale
  bool closed = false;           ///< the tape was destroyed

  std::vector<Node> nodes;
  std::vector<std::uint32_t> inputs;  ///< operands of all nodes, node by node
  std::vector<std::byte> attributes;
  TypePool types;
  std::vector<void*> values;            ///< per node: its value, or null while pending
  std::vector<std::uint32_t> value_of;  ///< per node: scratch of the planner, kNone between runs

  std::vector<Tensor> leaves;  ///< keeps the values of input nodes alive
  struct ParameterUse {
    Parameter parameter;
    std::uint32_t node;
    std::uint64_t version;
  };
  std::vector<ParameterUse> parameters;
  /// Open addressing: positions in `parameters` plus one, by the address of the value; 0 is free.
  std::vector<std::uint32_t> parameter_slots;

  Arena kept;                       ///< values that stay until reset
  WorkMemory work;                  ///< values that live within one run
  std::vector<std::byte*> layouts;  ///< of parameters, that the run reads

  /// A hash of all that decides how pending nodes are computed: ops, operands, attributes, types,
  /// lines, and which values have been computed.
  std::uint64_t structure = 0;
  PlanCache plans;
  std::shared_ptr<Program> program;  ///< of the last plan, for its memory

  int no_gradient_depth = 0;
  std::uint64_t random_counter = 0;
  /// Set while a RecordedAt or Recording lives: where new nodes are attributed to, instead of to
  /// their caller.
  const Location* rule_location = nullptr;

  std::span<const std::uint32_t> inputs_of(const Node& node) const {
    return {inputs.data() + node.first_input, node.input_count};
  }
  std::span<const std::uint32_t> read_inputs_of(const Node& node) const {
    return {inputs.data() + node.first_input, node.read_count};
  }
  Attributes attributes_of(const Node& node) const {
    return Attributes(attributes.data() + node.attributes);
  }
  /// The slot of a parameter: that which holds it, or a free one.
  std::uint32_t& parameter_slot(const Parameter& parameter);
  /// Forgets the nodes, keeps capacity.
  void clear();

  using Mark = TapeMark;
  Mark mark() const {
    return {nodes.size(),  inputs.size(),     attributes.size(), types.size(),
            leaves.size(), parameters.size(), structure,         random_counter};
  }
  /// Forgets what was recorded since `mark`.
  void roll_back(const Mark& mark);
  /// The same for a call that failed; nothing if it had recorded nothing. Values that it asked for
  /// stay with older nodes, so they become part of the structure.
  void undo(const Mark& mark);
};

/// Throws StateError for options that a CPU with or without bfloat16 cannot keep.
void expect_supported(const TapeOptions& options, bool cpu_has_bf16);

/// A shape-rule view of a recorded node; `scratch` holds the pointers.
Signature signature_of(const TapeState& state, const Node& node,
                       RecycledVector<const Type*>& scratch);

/// Runs `f`; if it throws, what it recorded is forgotten, unless the tape has begun anew.
template <class F>
auto all_or_nothing(TapeState& state, F f) {
  const TapeState::Mark before = state.mark();
  const std::uint32_t generation = state.generation;
  try {
    return f();
  } catch (...) {
    if (state.generation == generation) state.undo(before);
    throw;
  }
}

/// Records op over nodes of `state`; inputs must be valid. In eager mode the node is computed.
std::uint32_t record_node(TapeState& state, const Op& op, std::span<const std::uint32_t> inputs,
                          std::span<const std::byte> attributes, const Location& where);

/// What `evaluate` computes and keeps.
enum class Keep { roots, everything };
/// Computes the values of `roots` (node numbers) with all passes that the tape's options allow.
void evaluate(TapeState& state, std::span<const std::uint32_t> roots, Keep keep);
/// Computes one node, for eager mode. An error of its kernel comes out without place and name.
void run_now(TapeState& state, std::uint32_t node);
/// Throws StateError if the value of `node` is, or is part of, a parameter that has changed since.
void expect_current(const TapeState& state, std::uint32_t node);

}  // namespace unroll
