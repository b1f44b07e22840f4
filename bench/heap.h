// Counts calls of the heap: those of this program and of every library in it.
#pragma once

#include <cstdint>

namespace unroll::bench {

/// How often memory was asked for since the program began, from all threads.
std::uint64_t heap_calls();

}  // namespace unroll::bench
