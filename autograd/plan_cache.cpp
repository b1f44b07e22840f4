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

std::shared_ptr<const PlanCache::Entry> PlanCache::add(Entry entry) {
  const Plan& plan = *entry.plan;
  entry.bytes = plan.steps.size() * sizeof(Plan::Step) +
                plan.operands.size() * sizeof(Plan::Operand) + plan.attributes.size();
  bytes_ += entry.bytes;
  entries_.push_front(std::make_shared<const Entry>(std::move(entry)));
  places_[entries_.front()->key] = entries_.begin();
  while (bytes_ > kMaxBytes && entries_.size() > 1) {
    bytes_ -= entries_.back()->bytes;
    places_.erase(entries_.back()->key);
    entries_.pop_back();
  }
  return entries_.front();
}

}  // namespace unroll
