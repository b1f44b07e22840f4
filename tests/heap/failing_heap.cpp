// operator new and delete of the whole program; what they get comes from malloc, so that a leak
// checker sees it.
#include <unroll/tests/heap/failing_heap.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::int64_t> live{0};
thread_local std::uint64_t left = 0;  ///< calls until the first failing one; 0: none will fail
thread_local int run = 0;             ///< how many fail from there on
thread_local bool has_failed = false;

void fail_if_due() {
  if (left == 0 || (left > 1 && --left > 0)) return;
  has_failed = true;
  if (--run == 0) left = 0;
  throw std::bad_alloc();
}

void* allocate(std::size_t size, std::size_t alignment) {
  fail_if_due();
  const std::size_t whole =
      (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  // A sanitizer ends the program in place of refusing what no machine has.
  constexpr std::size_t kMost = std::size_t{1} << 39;
  void* const memory = whole < kMost ? std::aligned_alloc(alignment, whole) : nullptr;
  if (memory == nullptr) throw std::bad_alloc();
  ++live;
  return memory;
}

void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
  try {
    return allocate(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void release(void* memory) noexcept {
  if (memory != nullptr) --live;
  std::free(memory);
}

constexpr std::size_t kLeast = alignof(std::max_align_t);
using Alignment = std::align_val_t;
using None = std::nothrow_t;

}  // namespace

namespace unroll::testing {

FailingHeap::FailingHeap(std::uint64_t k, int count) {
  has_failed = false;
  left = k;
  run = count;
}
FailingHeap::~FailingHeap() { left = 0; }
bool FailingHeap::failed() { return has_failed; }
std::int64_t live_blocks() { return live; }

}  // namespace unroll::testing

// All that a sanitizer's library would define otherwise, so that no block is freed by the other
// one.
void* operator new(std::size_t n) { return allocate(n, kLeast); }
void* operator new[](std::size_t n) { return allocate(n, kLeast); }
void* operator new(std::size_t n, Alignment a) { return allocate(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, Alignment a) {
  return allocate(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const None&) noexcept { return allocate_or_null(n, kLeast); }
void* operator new[](std::size_t n, const None&) noexcept { return allocate_or_null(n, kLeast); }
void* operator new(std::size_t n, Alignment a, const None&) noexcept {
  return allocate_or_null(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, Alignment a, const None&) noexcept {
  return allocate_or_null(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, const None&) noexcept { release(p); }
void operator delete[](void* p, const None&) noexcept { release(p); }
void operator delete(void* p, Alignment) noexcept { release(p); }
void operator delete[](void* p, Alignment) noexcept { release(p); }
void operator delete(void* p, std::size_t, Alignment) noexcept { release(p); }
void operator delete[](void* p, std::size_t, Alignment) noexcept { release(p); }
