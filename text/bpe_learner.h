// Learns the merges of a Bpe. Part of text/bpe.h: use Bpe::learn.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <unroll/text/token_counts.h>

namespace unroll::text {

inline constexpr std::int32_t kNoSymbol = -1;

/// Numbers the subword strings in the order in which they are added.
class SymbolTable {
 public:
  /// The number of `text`, a new one when it has none yet.
  std::int32_t add(const std::string& text);
  /// The number of `text`, or kNoSymbol.
  std::int32_t find(const std::string& text) const;
  /// The string that add() numbered `symbol`.
  const std::string& text(std::int32_t symbol) const;

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
  std::vector<std::string> texts_;
};

/// A pair of symbols as one key.
inline std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

/// The merges that Bpe::learn promises. Throws as it does.
std::vector<std::pair<std::string, std::string>> learn_merges(const TokenCounts& words,
                                                              int merge_count);

}  // namespace unroll::text
