// Checks.
#include <unroll/nn/state.h>

#include <fmt/format.h>

#include <unroll/autograd/error.h>

namespace unroll::nn {

void expect_rows(std::string_view what, const Variable& value, std::int64_t batch) {
  const Shape shape = value.shape();
  if (shape.rank() > 0 && shape[0] == batch) return;
  throw ShapeError(fmt::format("{} has the shape {}; expected [{}, ...], a row per sequence", what,
                               to_string(shape), batch));
}

}  // namespace unroll::nn
