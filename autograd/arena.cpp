// What the operating system is told about large blocks.
#include <unroll/autograd/arena.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace unroll {

void AlignedBlock::advise_huge_pages(std::byte* memory, std::size_t bytes) {
#ifdef __linux__
  if (bytes >= kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#else
  static_cast<void>(memory);
  static_cast<void>(bytes);
#endif
}

}  // namespace unroll
