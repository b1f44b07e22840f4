// PlanCache: plans of earlier runs under a hash of what was recorded. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

namespace unroll {

struct Plan;

/// Mixes `x` into the hash `h`.
constexpr std::uint64_t hash_with(std::uint64_t h, std::uint64_t x) {
  h = (h ^ x) * 0x9E3779B97F4A7C15u;
  return h ^ (h >> 32);
}

/// A plan for the gradients of some parameters.
struct GradientPlan {
  struct Part {
    std::size_t parameter;               ///< position in the ParameterSet
    std::size_t first_root, root_count;  ///< one dense gradient, or pairs of ids and rows
    bool sparse;
  };
  std::vector<Part> parts;
};

/// The least recently used plans go when all together are larger than a bound; a plan that is
/// larger alone is not kept.
class PlanCache {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{32} << 20;

  struct Entry {
    std::uint64_t key = 0;
    std::shared_ptr<const Plan> plan;
    GradientPlan gradients;
    std::size_t bytes = 0;
  };

  /// Null if there is none.
  std::shared_ptr<const Entry> find(std::uint64_t key);
  std::shared_ptr<const Entry> add(Entry entry);
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  using List = std::list<std::shared_ptr<const Entry>>;
  List entries_;  ///< most recently used first
  std::unordered_map<std::uint64_t, List::iterator> places_;
  std::size_t bytes_ = 0;
};

}  // namespace unroll
