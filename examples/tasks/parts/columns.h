// A long text in columns that are read side by side, for language models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::tasks {

/// Columns of equal length, read from top to bottom in chunks of `steps` rows; what does not fill
/// a row is left out.
class Columns {
 public:
  /// Throws ValueError unless there is a token more than columns.
  Columns(std::vector<std::int32_t> ids, std::size_t columns, std::size_t steps);

  std::size_t columns() const { return columns_; }
  std::size_t chunks() const { return (length_ + steps_ - 1) / steps_; }
  /// Tokens to foretell: in all, and in a chunk.
  std::size_t tokens() const { return length_ * columns_; }
  std::size_t tokens_of(std::size_t chunk) const { return rows_of(chunk) * columns_; }

  struct Chunk {
    Tensor inputs, targets;  ///< int32 [T, B]; the targets are the tokens after the inputs
  };
  /// Part `shard` of `shards` of the columns of a chunk; may have none.
  Chunk chunk(std::size_t number, int shard, int shards) const;

 private:
  std::size_t rows_of(std::size_t chunk) const;

  std::vector<std::int32_t> ids_;
  std::size_t columns_, steps_, length_;
};

}  // namespace unroll::tasks
