// Counts the bytes that operator new of this program has given out.
#pragma once

#include <cstddef>

namespace unroll::testing {

/// The most bytes in use at once since `begin_peak()`, without those that were in use then.
void begin_peak();
std::size_t peak_bytes();

}  // namespace unroll::testing
