// Pass: liveness, and places in one block of work memory. Linear in the number of steps.
#include <algorithm>
#include <array>
#include <bit>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/schedule.h>

namespace unroll::passes {

namespace {

/// Free places by size class: four classes per power of two, so at most a quarter is wasted.
class Places {
 public:
  std::int64_t take(std::size_t bytes) {
    const std::size_t index = class_of(bytes);
    auto& free = free_[index];
    if (!free.empty()) {
      const std::int64_t place = free.back();
      free.pop_back();
      return place;
    }
    const auto place = static_cast<std::int64_t>(end_);
    end_ += size_of_class(index);
    return place;
  }
  void give_back(std::int64_t place, std::size_t bytes) { free_[class_of(bytes)].push_back(place); }
  std::size_t end() const { return end_; }

 private:
  static std::size_t lines(std::size_t bytes) { return aligned_size(bytes) / kAlignment; }
  /// Classes 0..3 hold 1..4 cache lines; above, a class is a power of two and its two top bits.
  static std::size_t class_of(std::size_t bytes) {
    const std::size_t n = lines(bytes);
    if (n <= 4) return n - 1;
    const auto shift = static_cast<std::size_t>(std::bit_width(n - 1)) - 3;
    return 4 * shift + ((n - 1) >> shift);
  }
  static std::size_t size_of_class(std::size_t index) {
    if (index < 4) return (index + 1) * kAlignment;
    const std::size_t shift = (index - 4) / 4;
    return ((4 + (index - 4) % 4 + 1) << shift) * kAlignment;
  }

  std::array<std::vector<std::int64_t>, 256> free_;
  std::size_t end_ = 0;
};

/// The owner of a dying operand whose memory the elementwise step `s` may overwrite, or kNone.
template <class Dies>
std::uint32_t overwritable(const TapeState& state, const Schedule& schedule, std::uint32_t s,
                           Dies dies) {
  const auto& steps = schedule.steps;
  const Node& node = state.nodes[steps[s].node];
  if (!node.op->traits().elementwise || steps[s].owner != s) return TapeState::kNone;
  const auto inputs = state.read_inputs_of(node);
  for (const std::uint32_t candidate : inputs) {
    if (state.step_of[candidate] == TapeState::kNone) continue;
    const std::uint32_t owner = steps[state.step_of[candidate]].owner;
    if (owner == s || !dies(owner)) continue;
    // Every operand in that memory must be the whole of it: a broadcast part would be read again
    // after it was overwritten.
    const bool whole = std::ranges::all_of(inputs, [&](std::uint32_t input) {
      const std::uint32_t producer = state.step_of[input];
      return producer == TapeState::kNone || steps[producer].owner != owner ||
             (state.nodes[input].type == node.type &&
              state.nodes[steps[owner].node].type == node.type);
    });
    if (whole) return owner;
  }
  return TapeState::kNone;
}

}  // namespace

void plan_memory(const TapeState& state, Schedule& schedule, bool reuse) {
  auto& steps = schedule.steps;
  const auto type_of = [&](std::uint32_t s) -> const Type& {
    return state.nodes[steps[s].node].type;
  };
  for (std::uint32_t s = 0; s < steps.size(); ++s) {
    steps[steps[s].owner].last_use = std::max(steps[steps[s].owner].last_use, s);
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[steps[s].node])) {
      const std::uint32_t producer = state.step_of[input];
      if (producer != TapeState::kNone) steps[steps[producer].owner].last_use = s;
    }
  }

  Places places;
  std::vector<bool> live(steps.size(), false);
  const auto dies_at = [&](std::uint32_t owner, std::uint32_t s) {
    return reuse && live[owner] && steps[owner].last_use == s && !steps[owner].keep;
  };
  for (std::uint32_t s = 0; s < steps.size(); ++s) {
    const std::uint32_t owner = steps[s].owner;
    if (steps[s].alias) {
      if (owner == s) continue;  // of a value outside this run
    } else if (!steps[owner].keep && steps[owner].place < 0) {
      const std::uint32_t victim = overwritable(
          state, schedule, s, [&](std::uint32_t candidate) { return dies_at(candidate, s); });
      if (victim != TapeState::kNone) {
        steps[owner].place = steps[victim].place;
        live[victim] = false;
      } else {
        steps[owner].place = places.take(type_of(owner).bytes());
      }
      live[owner] = true;
    }
    for (const std::uint32_t input : state.read_inputs_of(state.nodes[steps[s].node])) {
      const std::uint32_t producer = state.step_of[input];
      if (producer == TapeState::kNone) continue;
      const std::uint32_t victim = steps[producer].owner;
      if (victim == owner || !dies_at(victim, s)) continue;
      places.give_back(steps[victim].place, type_of(victim).bytes());
      live[victim] = false;
    }
  }
  schedule.work_bytes = places.end();
}

}  // namespace unroll::passes
