// The tasks of the program `long_memory` (Hochreiter and Schmidhuber 1997).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <unroll/autograd/tensor.h>

namespace unroll::tasks {

struct MemoryBatch {
  Tensor inputs;   ///< float32 [T, B, in]
  Tensor targets;  ///< float32 [B], or int32 [kCopied, B]
};

/// adding: pairs of a number and a mark; the sum of the two numbers that are marked is asked for at
/// the end. Always answering 1 has error 1/6.
/// copy: kCopied symbols, a long pause, and then the same symbols from memory.
struct MemoryTask {
  static constexpr std::int64_t kSymbols = 8, kCopied = 10;

  std::string name = "adding";  ///< or "copy"
  std::int64_t steps = 200;     ///< the length of a sequence, or of the pause

  bool is_adding() const { return name == "adding"; }
  std::int64_t inputs() const { return is_adding() ? 2 : kSymbols + 2; }
  std::int64_t outputs() const { return is_adding() ? 1 : kSymbols; }
  /// Throws ValueError for another name, or steps that are too few.
  void check() const;

  /// A sequence for each of these numbers, which alone it depends on.
  MemoryBatch batch(std::span<const std::size_t> numbers, std::uint64_t seed) const;
  /// One sequence in a line of text: numbers with a * behind the two that are marked, in the middle
  /// filled up to `steps`; or kCopied digits below kSymbols. Throws ValueError for any other.
  MemoryBatch of_line(const std::string& line) const;
};

}  // namespace unroll::tasks
