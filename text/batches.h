// Batches of examples of similar length, under a budget of tokens, and sequences of ids as one
// padded tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::text {

/// The lengths of one example, in tokens.
struct ExampleLength {
  std::int32_t source = 0;
  std::int32_t target = 0;
};

struct BatchOptions {
  /// A batch of n examples costs n times its longest side, source or target: what the larger of its
  /// two padded matrices holds. No batch costs more, unless it is one example that does by itself.
  std::int64_t max_tokens = 4096;
  /// How many shuffled examples are sorted by length at a time: more give less padding, fewer give
  /// batches that differ more from epoch to epoch.
  std::size_t window = 100000;
  std::uint64_t seed = 0;
};

/// The batches of one epoch, each a list of positions in `lengths`; every example is in exactly
/// one. Examples are shuffled, sorted by length within windows, cut into batches, and the batches
/// are shuffled. The same arguments give the same batches on every platform. Throws ValueError for
/// a negative length, a max_tokens below 1 or a window of 0.
std::vector<std::vector<std::size_t>> make_batches(const std::vector<ExampleLength>& lengths,
                                                   const BatchOptions& options,
                                                   std::uint64_t epoch);

/// Sequences of ids side by side.
struct PaddedIds {
  Tensor ids;                         ///< int32 [T, B], or [B, T] if batch_first
  std::vector<std::int32_t> lengths;  ///< of each sequence
};

struct PaddingOptions {
  std::int32_t pad = 0;
  bool batch_first = false;
};

/// The sequences at these positions, filled up with `pad` to the length of the longest.
/// Throws ValueError for a position that there is not.
PaddedIds padded(const std::vector<std::vector<std::int32_t>>& sequences,
                 std::span<const std::size_t> positions, const PaddingOptions& options = {});
/// The same of all sequences.
PaddedIds padded(const std::vector<std::vector<std::int32_t>>& sequences,
                 const PaddingOptions& options = {});

}  // namespace unroll::text
