// Embedding: the table and the lookup.
#include <unroll/nn/embedding.h>

#include <fmt/format.h>

#include <algorithm>

#include <unroll/autograd/error.h>
#include <unroll/autograd/recorded.h>
#include <unroll/nn/arguments.h>

namespace unroll::nn {

namespace {

Scope::Initializer with_zero_row(const Scope::Initializer& base, std::int32_t row) {
  return [base, row](const Shape& shape, std::uint64_t seed) {
    Tensor result = base(shape, seed).to(Dtype::float64);
    const auto width = static_cast<std::size_t>(shape[1]);
    std::ranges::fill(
        result.mutable_data<double>().subspan(static_cast<std::size_t>(row) * width, width), 0.0);
    return result;
  };
}

}  // namespace

Embedding::Embedding(const LayerScope& scope, std::int64_t count, std::int64_t width,
                     const EmbeddingOptions& options) try
    : padding_idx(options.padding_idx), frozen(options.frozen) {
  detail::expect_sizes("Embedding", {{"count", count}, {"width", width}});
  if (padding_idx && (*padding_idx < 0 || *padding_idx >= count)) {
    throw ValueError(
        fmt::format("Embedding: padding_idx is {}; expected 0 to {}", *padding_idx, count - 1));
  }
  const Scope::Initializer& own = options.initializer;
  weight = scope.parameter("weight", {count, width},
                           padding_idx ? with_zero_row(own, *padding_idx) : own);
} catch (const std::bad_alloc&) {
  throw unroll::detail::out_of_memory(nullptr, "Embedding");
}

Variable Embedding::operator()(const Variable& ids, Location at) const {
  return recorded(ids, at, "Embedding", [&]() -> Variable {
    const Variable table = use_like(ids, weight);
    Variable vectors = rows(Operand(frozen ? detach(table) : table, at), Operand(ids, at));
    if (!padding_idx) return vectors;
    const Variable is_token = not_equal(ids, static_cast<double>(*padding_idx));
    const Shape shape = ids.shape();
    return where(reshape(is_token, shape.inserted(shape.rank(), 1)), vectors, 0.0);
  });
}

}  // namespace unroll::nn
