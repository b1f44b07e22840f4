// ParameterLayouts: a parameter's value as kernels want it, made once per version. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>

#include <unroll/autograd/arena.h>

namespace unroll {

class Op;

/// Shared by all tapes that use the parameter, so that the shards of a batch lay it out once.
class ParameterLayouts {
 public:
  /// What `make(memory)` writes for this op and attribute, unless it is there for this version.
  /// From several threads at once; valid until somebody asks for another version, which nobody does
  /// while a pass is under way.
  template <class Make>
  std::byte* get(const Op* op, bool attribute, std::uint64_t version, std::size_t bytes,
                 Make make) {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : entries_) {
      if (entry.op != op || entry.attribute != attribute) continue;
      if (entry.version != version) {
        make(entry.memory.data());
        entry.version = version;
      }
      return entry.memory.data();
    }
    AlignedBlock memory(bytes);
    make(memory.data());
    entries_.push_back({op, attribute, version, std::move(memory)});
    return entries_.back().memory.data();
  }

 private:
  struct Entry {
    const Op* op;
    bool attribute;
    std::uint64_t version;
    AlignedBlock memory;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace unroll
