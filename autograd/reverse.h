// Reverse: the state of one reverse sweep. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include <unroll/autograd/tape_state.h>

namespace unroll::detail {

/// Sweeps the nodes [first, ...) of a tape from the outputs backwards. Nodes before `first` are
/// leaves to it, even if they are computed from one another.
class Reverse {
 public:
  /// Sweeps back from node `last`; `wrt` are the nodes whose gradients are asked for. `rewriting`:
  /// the nodes stand for a node that is being differentiated, so gradients flow through them even
  /// if they were recorded just now, under NoGradient.
  Reverse(std::shared_ptr<TapeState> shared, std::uint32_t first, std::uint32_t last,
          std::span<const std::uint32_t> wrt, bool rewriting = false);

  /// Adds a contribution to the gradient of `node`.
  void add(std::uint32_t node, std::uint32_t contribution);
  bool wanted(std::uint32_t node) const;
  bool asked_for(std::uint32_t node) const;
  /// Visits every node with a gradient, last to first.
  void sweep();
  /// The contributions to `wrt[k]`, in the order they were recorded.
  std::vector<std::uint32_t> contributions(std::size_t k) const;
  /// Their sum as one node; kNone if there are none.
  std::uint32_t total(std::size_t k);

  TapeState& state() { return *shared_; }
  const std::shared_ptr<TapeState>& shared() const { return shared_; }

 private:
  struct Contribution {
    std::uint32_t node;
    std::uint32_t next;
  };
  struct Slot {
    bool depends = false;
    std::uint32_t head = TapeState::kNone, tail = TapeState::kNone;
  };

  /// Position in slots_, kNone if the node can have no gradient here.
  std::uint32_t slot_of(std::uint32_t node) const;
  bool differentiable(const Node& node) const;
  std::vector<std::uint32_t> list(const Slot& slot) const;
  std::uint32_t sum(Slot& slot, const Location& where);

  std::shared_ptr<TapeState> shared_;
  std::uint32_t first_, last_;
  std::vector<std::uint32_t> wrt_;
  bool rewriting_;
  std::vector<Slot> slots_;                                   ///< of nodes first_..last_
  std::unordered_map<std::uint32_t, std::uint32_t> outside_;  ///< wrt before first_ -> slot
  std::vector<Contribution> pool_;
};

}  // namespace unroll::detail
