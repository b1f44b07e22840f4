// Arena and WorkMemory: the two kinds of memory that values live in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll {

/// `bytes` rounded up to whole cache lines.
constexpr std::size_t aligned_size(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

/// `bytes` in whole cache lines, in huge pages if they are many: a step walks over all of its
/// memory, and with small pages it would wait for addresses. Throws OutOfMemory.
std::byte* allocate_aligned(std::size_t bytes);
/// Frees what `allocate_aligned(bytes)` returned.
void free_aligned(void* memory, std::size_t bytes) noexcept;

/// A block of memory at a cache-line boundary.
class AlignedBlock {
 public:
  AlignedBlock() = default;
  explicit AlignedBlock(std::size_t bytes)
      : memory_(allocate_aligned(bytes), Free{bytes}), bytes_(bytes) {}
  std::byte* data() const { return memory_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    std::size_t bytes;
    void operator()(std::byte* p) const { free_aligned(p, bytes); }
  };
  std::unique_ptr<std::byte, Free> memory_{nullptr, Free{0}};
  std::size_t bytes_ = 0;
};

/// Grows by blocks of doubling size; `release` keeps them for the next pass.
class Arena {
 public:
  /// `bytes` at a cache-line boundary, valid until `release`.
  std::byte* allocate(std::size_t bytes) {
    const std::size_t size = aligned_size(bytes);
    while (block_ < blocks_.size() && used_ + size > blocks_[block_].bytes()) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      blocks_.emplace_back(std::max(size, next_bytes_));
      next_bytes_ = std::min<std::size_t>(next_bytes_ * 2, kLargestBlock);
    }
    std::byte* result = blocks_[block_].data() + used_;
    used_ += size;
    return result;
  }
  /// How far it is used, to come back to when a run fails.
  struct Mark {
    std::size_t block, used;
  };
  Mark mark() const { return {block_, used_}; }
  void roll_back(const Mark& mark) {
    block_ = mark.block;
    used_ = mark.used;
  }
  /// Everything allocated becomes invalid; the memory is kept.
  void release() {
    block_ = 0;
    used_ = 0;
  }
  std::size_t bytes() const {
    std::size_t total = 0;
    for (const AlignedBlock& block : blocks_) total += block.bytes();
    return total;
  }

 private:
  static constexpr std::size_t kLargestBlock = std::size_t{64} << 20;
  std::vector<AlignedBlock> blocks_;
  std::size_t block_ = 0, used_ = 0;
  std::size_t next_bytes_ = std::size_t{64} << 10;
};

/// One block that only grows; its content does not survive growing.
class WorkMemory {
 public:
  std::byte* at_least(std::size_t bytes) {
    if (block_.bytes() < bytes) {
      block_ = AlignedBlock();
      block_ = AlignedBlock(bytes + bytes / 16);
    }
    return block_.data();
  }
  std::size_t bytes() const { return block_.bytes(); }

 private:
  AlignedBlock block_;
};

}  // namespace unroll
