// Large blocks, and what the operating system is told about them.
#include <unroll/autograd/arena.h>

#include <fmt/format.h>

#include <array>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <unroll/autograd/error.h>
#include <unroll/autograd/recycled.h>

namespace unroll {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < kHugePage ? kAlignment : kHugePage};
}

}  // namespace

std::byte* allocate_aligned(std::size_t bytes) {
  const std::size_t size = aligned_size(bytes);
  void* memory = ::operator new(size, alignment_of(size), std::nothrow);
  if (memory == nullptr) {  // what waits there may be what is missing
    RecycledMemory::release();
    memory = ::operator new(size, alignment_of(size), std::nothrow);
  }
  if (memory == nullptr) {
    std::array<char, 80> text{};
    const auto end = fmt::format_to_n(text.data(), text.size(),
                                      "out of memory: {} bytes were asked for at a time", size);
    throw OutOfMemory({text.data(), end.size});
  }
#ifdef __linux__
  if (size >= kHugePage) madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return static_cast<std::byte*>(memory);
}

void free_aligned(void* memory, std::size_t bytes) noexcept {
  ::operator delete(memory, alignment_of(aligned_size(bytes)));
}

}  // namespace unroll
