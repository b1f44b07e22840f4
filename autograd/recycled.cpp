// Lists of free blocks, one for each class of sizes.
#include <unroll/autograd/recycled.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include <unroll/autograd/size_class.h>

namespace unroll {

namespace {

// A sanitizer is to see who uses memory that was given back.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRecycles = false;
#elif defined(__has_feature)
constexpr bool kRecycles = !__has_feature(address_sanitizer);
#else
constexpr bool kRecycles = true;
#endif

class FreeBlocks {
 public:
  /// Null if there is none of that class.
  void* take(std::size_t index) {
    const std::scoped_lock lock(mutex_);
    Block* const block = first_[index];
    if (block == nullptr) return nullptr;
    first_[index] = block->next;
    idle_ -= bytes_of_class(index);
    count(bytes_of_class(index));
    return block;
  }
  /// That a new block is in use.
  void add(std::size_t index) {
    const std::scoped_lock lock(mutex_);
    count(bytes_of_class(index));
  }
  void give_back(void* memory, std::size_t index) {
    const std::size_t bytes = bytes_of_class(index);
    const std::scoped_lock lock(mutex_);
    used_ -= bytes;
    const std::size_t most = std::max(peak_, last_peak_) + kSpare;
    if (used_ + idle_ + bytes > most) free_all();
    first_[index] = new (memory) Block{first_[index]};
    idle_ += bytes;
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    free_all();
  }
  std::size_t idle_bytes() {
    const std::scoped_lock lock(mutex_);
    return idle_;
  }

 private:
  static constexpr std::size_t kSpare = std::size_t{64} << 20;
  /// A peak counts while so many times as much is taken, and then once more: a step or longer,
  /// where less is taken and given back within it.
  static constexpr std::size_t kTurns = 4;
  struct Block {
    Block* next;
  };

  void count(std::size_t bytes) {
    used_ += bytes;
    taken_ += bytes;
    peak_ = std::max(peak_, used_);
    if (taken_ < kTurns * std::max(peak_, last_peak_)) return;
    last_peak_ = std::exchange(peak_, used_);
    taken_ = 0;
  }

  /// All of them: those that nobody will ask for again are never found otherwise.
  void free_all() {
    for (std::size_t index = 0; index < kSizeClasses; ++index) {
      while (first_[index] != nullptr) {
        Block* const block = first_[index];
        first_[index] = block->next;
        free_aligned(block, bytes_of_class(index));
      }
    }
    idle_ = 0;
  }

  std::mutex mutex_;
  std::array<Block*, kSizeClasses> first_{};
  std::size_t idle_ = 0, used_ = 0, taken_ = 0;
  std::size_t peak_ = 0, last_peak_ = 0;  ///< of what was in use
};

/// Outlives every tensor, those of static storage included.
FreeBlocks& free_blocks() {
  static FreeBlocks& blocks = *new FreeBlocks;
  return blocks;
}

}  // namespace

void* RecycledMemory::take(std::size_t bytes) {
  if (!kRecycles) return allocate_aligned(bytes);
  const std::size_t index = size_class(bytes);
  if (void* const memory = free_blocks().take(index)) return memory;
  void* const memory = allocate_aligned(bytes_of_class(index));
  free_blocks().add(index);
  return memory;
}

void RecycledMemory::give_back(void* memory, std::size_t bytes) noexcept {
  if (!kRecycles) return free_aligned(memory, bytes);
  free_blocks().give_back(memory, size_class(bytes));
}

void RecycledMemory::release() { free_blocks().release(); }

std::size_t RecycledMemory::idle_bytes() { return free_blocks().idle_bytes(); }

}  // namespace unroll
