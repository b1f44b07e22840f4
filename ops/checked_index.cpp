// checked_index: the message.
#include <unroll/ops/checked_index.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include <unroll/autograd/error.h>

namespace unroll {

void throw_out_of_range(std::string_view what, const ConstView& indices, std::int64_t position,
                        std::int64_t bound) {
  const Shape& shape = indices.shape();
  std::vector<std::int64_t> place(static_cast<std::size_t>(shape.rank()));
  std::int64_t rest = position;
  for (int axis = shape.rank(); axis-- > 0; rest /= shape[axis]) {
    place[static_cast<std::size_t>(axis)] = rest % shape[axis];
  }
  throw ValueError(fmt::format("got {} {} at [{}]; expected 0 <= {} < {}", what,
                               indices.as<std::int32_t>()[position], fmt::join(place, ", "), what,
                               bound));
}

}  // namespace unroll
