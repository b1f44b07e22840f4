// Rows of tensors.
#include <unroll/nn/carried.h>

#include <fmt/format.h>

#include <cstddef>
#include <cstring>

namespace unroll::nn {

Tensor gather_rows(const Tensor& value, std::span<const std::int32_t> rows) {
  if (value.shape().rank() == 0) throw ShapeError("gather_rows: got a scalar; expected [n, ...]");
  const std::int64_t n = value.shape()[0];
  Tensor result = Tensor::uninitialized(
      value.shape().with(0, static_cast<std::int64_t>(rows.size())), value.dtype());
  const std::size_t row_bytes = n == 0 ? 0 : value.bytes() / static_cast<std::size_t>(n);
  const auto* from = static_cast<const std::byte*>(value.raw());
  auto* to = static_cast<std::byte*>(result.mutable_raw());
  for (const std::int32_t row : rows) {
    if (row < 0 || row >= n) {
      throw ValueError(fmt::format("gather_rows: got row {}; expected 0 to {}", row, n - 1));
    }
    std::memcpy(to, from + static_cast<std::size_t>(row) * row_bytes, row_bytes);
    to += row_bytes;
  }
  return result;
}

}  // namespace unroll::nn
