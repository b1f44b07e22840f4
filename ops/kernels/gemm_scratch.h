// Memory for the packed blocks of a product.
#pragma once

#include <cstdint>

namespace unroll {

/// This thread's memory for packed blocks: at least `floats` floats on a 64-byte boundary, until
/// the thread's next call. It is as large as the largest block so far.
float* gemm_scratch(std::int64_t floats);

}  // namespace unroll
