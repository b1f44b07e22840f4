// Schedule: the part of a tape that one evaluation runs, as the passes see and change it. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <unroll/autograd/tape_state.h>

namespace unroll {

/// A plan in the making. Steps are in tape order; every vector is indexed by step.
struct Schedule {
  struct Step {
    std::uint32_t node;
    /// Step whose memory this one writes: itself; the base of an alias; an accumulate step.
    std::uint32_t owner;
    /// Aliases: bytes from the owner's memory on; from its base on, if it owns itself (the base is
    /// a value from outside this run).
    std::int64_t offset = 0;
    bool alias = false;          ///< nothing to run
    bool accumulate = false;     ///< add to the owner's memory
    bool folded = false;         ///< an operand written straight into the accumulate step `owner`
    bool keep = false;           ///< the value outlives the run
    std::uint32_t uses = 0;      ///< how often later steps read it
    std::uint32_t last_use = 0;  ///< the last step that reads or writes its memory (owners)
    std::int64_t place = -1;     ///< offset in the work memory (owners that are not kept)
  };
  std::vector<Step> steps;
  std::size_t work_bytes = 0;
};

/// Collects the pending nodes that `roots` need and resolves aliases. Marks state.step_of.
Schedule make_schedule(TapeState& state, std::span<const std::uint32_t> roots, Keep keep);
/// Clears the marks in state.step_of.
void release_schedule(TapeState& state, const Schedule& schedule);

namespace passes {

/// Lets the operands of an accumulate node write straight into its memory, where their op can add
/// to what is there: sums over time steps need no temporaries.
void accumulate(const TapeState& state, Schedule& schedule);

/// Finds when each value dies and gives it a place in the work memory; with `reuse`, memory of dead
/// values is used again and pointwise results overwrite operands that die.
void plan_memory(const TapeState& state, Schedule& schedule, bool reuse);

}  // namespace passes
}  // namespace unroll
