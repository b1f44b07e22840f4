// Program: what one evaluation computes, as the passes see and change it. Internal.
//
// It is made from the pending nodes of a tape and then stands alone: passes may add values and
// steps that no tape has. Vectors only grow; `order` says what runs, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <unroll/autograd/formula.h>
#include <unroll/autograd/tape_state.h>

namespace unroll {

struct Program {
  static constexpr std::uint32_t kNone = TapeState::kNone;

  /// One array. Its memory is its own, or a part of another value's, its owner's.
  struct Value {
    const Type* type = nullptr;  ///< in `types`
    std::uint32_t node = kNone;  ///< on the tape; kNone if a pass made it
    std::uint32_t step = kNone;  ///< that computes it; kNone: there before the run, or an alias
    std::uint32_t parameter = kNone;  ///< position in TapeState::parameters, if it is one's value
    bool shared = false;              ///< a layout of a parameter, which keeps it
    std::uint32_t owner = kNone;      ///< kNone: its own memory
    std::int64_t offset = 0;          ///< bytes from the owner's memory on
    std::int64_t stride = 0;          ///< elements between the starts of its rows; 0: contiguous
    bool keep = false;                ///< outlives the run
    std::uint32_t uses = 0;           ///< how often steps read it, see count_uses
    std::uint32_t last_use = 0;       ///< position in `order` (values with memory of their own)
    std::int64_t place = -1;  ///< offset in the work memory, or in the kept memory of the run
  };

  enum class Kind : std::uint8_t {
    op,        ///< a kernel
    assemble,  ///< the output is the inputs, each in its region, and zeros elsewhere
    fused,     ///< a formula with several outputs
  };
  struct Step {
    Kind kind = Kind::op;
    const Op* op = nullptr;  ///< also of an assemble step, for messages
    std::uint32_t first_input = 0, input_count = 0;
    std::uint32_t first_region = 0;   ///< of an assemble step: one region for each input
    std::uint32_t attributes = 0;     ///< position in `attributes`
    std::uint32_t data_node = kNone;  ///< node whose attributes are data, see Op::data_bytes
    std::uint32_t output = 0;         ///< value; of a fused step: position in `fused`
    bool accumulate = false;          ///< add to the output
    bool removed = false;             ///< another step does its work
    bool pointwise = false;           ///< found so by the view pass, for the fuse pass
    std::uint32_t fused = kNone;      ///< the fused step that this one became part of
    Location where;
  };
  /// What a fused step computes.
  struct Fused {
    FusedFormula formula;
    std::vector<std::uint32_t> members, outputs;
  };

  std::shared_ptr<TypePool> types = std::make_shared<TypePool>();  ///< shared with the plan
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<std::uint32_t> order;   ///< the steps that run
  std::vector<std::uint32_t> inputs;  ///< of all steps
  std::vector<Region> regions;        ///< of the inputs of assemble steps
  std::vector<std::byte> attributes;
  std::vector<Fused> fused;
  std::vector<std::uint32_t> roots;  ///< values
  std::size_t work_bytes = 0;

  std::span<const std::uint32_t> inputs_of(const Step& step) const {
    return {inputs.data() + step.first_input, step.input_count};
  }
  std::span<const Region> regions_of(const Step& step) const {
    return {regions.data() + step.first_region, step.input_count};
  }
  Attributes attributes_of(const Step& step) const {
    return Attributes(attributes.data() + step.attributes);
  }
  /// The values that a step computes.
  std::span<const std::uint32_t> outputs_of(const Step& step) const {
    if (step.kind != Kind::fused) return {&step.output, 1};
    return fused[step.output].outputs;
  }

  /// Whose memory a value lies in, and how many bytes from there on.
  struct Home {
    std::uint32_t owner;
    std::int64_t offset;
  };
  Home home(std::uint32_t value) const {
    Home result{value, 0};
    while (values[result.owner].owner != kNone) {
      result.offset += values[result.owner].offset;
      result.owner = values[result.owner].owner;
    }
    return result;
  }

  /// Forgets everything, keeps capacity.
  void clear();
  std::uint32_t add_value(const Type& type);
  /// A new step that computes the value `output`; not yet in `order`.
  std::uint32_t add_step(Kind kind, const Op* op, std::span<const std::uint32_t> step_inputs,
                         std::uint32_t output, const Step& like);
  void set_inputs(Step& step, std::span<const std::uint32_t> step_inputs);
  void set_regions(Step& step, std::span<const Region> step_regions);
  /// Lets `value` be part of the memory of `owner`; nobody computes it any more.
  void make_alias(std::uint32_t value, std::uint32_t owner, std::int64_t offset,
                  std::int64_t stride = 0);
  /// Counts Value::uses anew, by the steps in `order`.
  void count_uses();
};

/// What a shape rule may ask of a step; `scratch` holds the pointers.
Signature signature_of(const Program& program, const Program::Step& step,
                       RecycledVector<const Type*>& scratch);

/// Fills an empty program with the pending nodes that `roots` need, in tape order.
void make_program(TapeState& state, std::span<const std::uint32_t> roots, Keep keep,
                  Program& program);

/// Puts the steps of `listed` into `program.order`, each after what it needs; what it needs is
/// pulled in even if not listed. Removed steps and steps that are there already are left out.
void put_in_order(Program& program, std::span<const std::uint32_t> listed);

namespace passes {

/// Sums of regions that do not meet become one value with its parts in place: the gradients of the
/// slices of an array, or of the steps of a sequence.
void assemble(Program& program);

/// One op on the rows of many steps instead of many ops: products that are summed get a longer
/// inner extent, products of independent rows with one matrix become one product. Input products
/// leave the time loop, weight gradients are computed for many steps at once.
void batch(Program& program);

/// Products over many rows are computed the other way round where that is cheaper (Op::turned), and
/// what they add up to is turned back.
void turn(Program& program);

/// Keeps at most about `budget` bytes of the forward pass for the backward pass and computes the
/// rest again. The first root is the result of the forward pass.
void rematerialise(Program& program, std::size_t budget);

/// Products add themselves to the other term of a sum of two, which gives them its memory.
void add_onto(Program& program);

/// Pointwise steps read slices where they lie, and broadcast operands as what they were broadcast
/// from. Only fused steps can do that.
void view(Program& program);

/// Connected pointwise steps of one shape become one step that runs tile by tile; what nobody else
/// reads is never written.
void fuse(Program& program);

/// The parts of assembled values are written where they belong.
void place(Program& program);

/// Operands of a sum add straight to its memory, where their op can.
void accumulate(Program& program);

/// Matrices that many products read are laid out once in the order the kernel wants. With `bf16`,
/// all products of float32 matrices become products of bfloat16.
void pack(Program& program, bool bf16);

/// Pointwise steps write over operands, and parts of arrays, that nobody reads any more.
void overwrite(Program& program);

/// Finds when each value dies and gives it a place in the work memory; with `reuse`, memory of dead
/// values is used again.
void plan_memory(Program& program, bool reuse);

}  // namespace passes
}  // namespace unroll
