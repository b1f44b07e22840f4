// The allocation functions of the C library, counted on the way in. operator new ends in them, and
// so do the libraries, because the program's own definitions come first when symbols are bound.
#include <atomic>
#include <cerrno>
#include <cstddef>

#include <unroll/bench/heap.h>

namespace {
std::atomic<std::uint64_t> calls{0};
// Not used where a sanitizer has a heap of its own.
[[maybe_unused]] void count() { calls.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

namespace unroll::bench {
std::uint64_t heap_calls() { return calls.load(std::memory_order_relaxed); }
}  // namespace unroll::bench

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif
