// How often each token occurs: what vocabularies and subwords are learned from.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace unroll::text {

using TokenCounts = std::unordered_map<std::string, std::int64_t>;

/// Adds one to the count of each element of `tokens`.
inline void add_counts(TokenCounts& counts, const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) ++counts[token];
}

}  // namespace unroll::text
