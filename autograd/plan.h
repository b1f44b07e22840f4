// Plan: a Program after all passes, ready to run any number of times on tapes of the same
// structure. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <unroll/autograd/program.h>

namespace unroll {

/// A place in memory that is known when a run starts: the value of a node that is there already,
/// or bytes in the memory of the run.
struct Address {
  std::uint32_t node = TapeState::kNone;    ///< kNone: in the memory of the run
  bool kept = false;                        ///< in the memory that stays, not the work memory
  std::uint32_t layout = TapeState::kNone;  ///< or: this one of the layouts of parameters
  std::uint32_t result = TapeState::kNone;  ///< or: this one of the tensors of the results
  std::int64_t offset = 0;
};

struct Plan {
  struct Step {
    const Op* op = nullptr;                            ///< null: a fused formula, or an assembly
    std::uint32_t first_operand = 0, input_count = 0;  ///< inputs, then outputs
    std::uint32_t output_count = 1;
    std::uint32_t attributes = 0;
    std::uint32_t data_node = TapeState::kNone;  ///< where the attributes are read instead
    std::uint32_t extra = 0;                     ///< position in `fused` or `assemblies`
    std::uint32_t parameter = TapeState::kNone;  ///< use of the parameter that keeps the result
    Program::Kind kind = Program::Kind::op;
    bool accumulate = false;
    Location where;
  };
  struct Operand {
    Address at;
    const Type* type = nullptr;
  };
  /// Copies what could not be written in place, and clears what nobody writes.
  struct Assembly {
    struct Copy {
      std::uint32_t operand;
      Region region;
    };
    std::vector<Copy> copies;
    std::vector<Region> gaps;
  };
  /// A value of the tape that is there after the run.
  struct Published {
    std::uint32_t node;
    Address at;
  };

  std::vector<Step> steps;
  std::vector<Operand> operands;
  std::shared_ptr<const TypePool> types;
  std::vector<std::byte> attributes;
  std::vector<FusedFormula> fused;
  std::vector<Assembly> assemblies;
  std::vector<Published> published;
  std::vector<Operand> roots;
  std::vector<Type> results;  ///< of roots that no tape holds: they are computed into tensors
  std::size_t work_bytes = 0, kept_bytes = 0, layout_count = 0;
  /// False if it holds data of nodes that will be gone: it is for this run only.
  bool reusable = true;
};

/// Applies the passes that the options allow. Nodes from `end` on will be gone when the plan runs.
Plan make_plan(TapeState& state, std::span<const std::uint32_t> roots, Keep keep,
               std::uint32_t end = TapeState::kNone);

/// Enters into the hash of the structure what a run of the plan leaves on the tape.
void hash_published(TapeState& state, const Plan& plan);

/// The roots of a plan that has run.
struct Results {
  RecycledVector<Tensor> tensors;     ///< Address::result is a position in it
  RecycledVector<const void*> roots;  ///< where each one is; valid until the tape is reset
};

/// Computes everything; on errors the tape is as it was. `results` is needed by plans that have
/// some.
void run_plan(TapeState& state, const Plan& plan, Results* results = nullptr);

}  // namespace unroll
