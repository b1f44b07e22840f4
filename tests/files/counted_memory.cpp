// operator new and delete, which keep the size of each block in front of it.
#include <unroll/tests/files/counted_memory.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::atomic<std::size_t> in_use{0}, at_begin{0}, peak{0};

constexpr std::size_t kLeast = alignof(std::max_align_t);

void* allocate(std::size_t size, std::size_t alignment) {
  const std::size_t whole = (size + 2 * alignment - 1) / alignment * alignment;
  auto* const memory = static_cast<char*>(std::aligned_alloc(alignment, whole));
  if (memory == nullptr) throw std::bad_alloc();
  std::memcpy(memory + alignment - sizeof size, &size, sizeof size);
  const std::size_t now = in_use.fetch_add(size) + size;
  std::size_t most = peak.load();
  while (most < now && !peak.compare_exchange_weak(most, now)) {
  }
  return memory + alignment;
}

void release(void* block, std::size_t alignment) {
  if (block == nullptr) return;
  std::size_t size = 0;
  std::memcpy(&size, static_cast<char*>(block) - sizeof size, sizeof size);
  in_use -= size;
  std::free(static_cast<char*>(block) - alignment);
}

std::size_t number(std::align_val_t alignment) {
  return std::max(kLeast, static_cast<std::size_t>(alignment));
}

}  // namespace

namespace unroll::testing {
void begin_peak() {
  at_begin = in_use.load();
  peak = in_use.load();
}
std::size_t peak_bytes() { return peak - at_begin; }
}  // namespace unroll::testing

// All that a sanitizer's library would define otherwise, so that no block is freed by the other
// one.
void* operator new(std::size_t size) { return allocate(size, kLeast); }
void* operator new[](std::size_t size) { return allocate(size, kLeast); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, number(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, number(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, kLeast);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& none) noexcept {
  return operator new(size, none);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, number(alignment));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, std::align_val_t alignment,
                     const std::nothrow_t& none) noexcept {
  return operator new(size, alignment, none);
}
void operator delete(void* block) noexcept { release(block, kLeast); }
void operator delete[](void* block) noexcept { release(block, kLeast); }
void operator delete(void* block, std::size_t) noexcept { release(block, kLeast); }
void operator delete[](void* block, std::size_t) noexcept { release(block, kLeast); }
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block, kLeast); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { release(block, kLeast); }
void operator delete(void* block, std::align_val_t alignment) noexcept {
  release(block, number(alignment));
}
void operator delete[](void* block, std::align_val_t alignment) noexcept {
  release(block, number(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  release(block, number(alignment));
}
void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
  release(block, number(alignment));
}
