// The list of plans, most recently used first.
#include <unroll/autograd/plan_cache.h>

#include <utility>

#include <unroll/autograd/plan.h>

namespace unroll {

std::shared_ptr<const PlanCache::Entry> PlanCache::find(std::uint64_t key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front();
}

namespace {

std::size_t bytes_of(const Plan& plan) {
  std::size_t bytes = plan.steps.size() * sizeof(Plan::Step) +
                      (plan.operands.size() + plan.roots.size()) * sizeof(Plan::Operand) +
                      plan.results.size() * sizeof(Type) +
                      plan.published.size() * sizeof(Plan::Published) +
                      plan.types->size() * sizeof(Type) + plan.attributes.size();
  for (const Plan::Assembly& assembly : plan.assemblies) {
    bytes += sizeof(assembly) + assembly.copies.size() * sizeof(Plan::Assembly::Copy) +
             assembly.gaps.size() * sizeof(Region);
  }
  for (const FusedFormula& formula : plan.fused) {
    bytes += sizeof(formula) + formula.instructions.size() * sizeof(FusedFormula::Instruction) +
             (formula.inputs.size() + formula.results.size()) * sizeof(FusedFormula::Layout);
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const PlanCache::Entry> PlanCache::add(Entry entry) {
  entry.bytes = bytes_of(*entry.plan);
  auto added = std::make_shared<const Entry>(std::move(entry));
  if (added->bytes > kMaxBytes) return added;
  entries_.push_front(added);
  try {
    places_[added->key] = entries_.begin();
  } catch (...) {
    entries_.pop_front();
    throw;
  }
  bytes_ += added->bytes;
  while (bytes_ > kMaxBytes) {
    bytes_ -= entries_.back()->bytes;
    places_.erase(entries_.back()->key);
    entries_.pop_back();
  }
  return added;
}

}  // namespace unroll
