// A long text in columns.
#include <unroll/examples/tasks/parts/columns.h>

#include <algorithm>
#include <string>

#include <unroll/autograd/error.h>

namespace unroll::tasks {

Columns::Columns(std::vector<std::int32_t> ids, std::size_t columns, std::size_t steps)
    : ids_(std::move(ids)), columns_(columns), steps_(steps) {
  if (ids_.size() <= columns_) {
    throw ValueError("got a text of " + std::to_string(ids_.size()) +
                     " tokens; expected more than " + std::to_string(columns_) +
                     ", one for each column");
  }
  length_ = (ids_.size() - 1) / columns_;
}

std::size_t Columns::rows_of(std::size_t chunk) const {
  return std::min(steps_, length_ - chunk * steps_);
}

Columns::Chunk Columns::chunk(std::size_t number, int shard, int shards) const {
  const auto part = static_cast<std::size_t>(shard), parts = static_cast<std::size_t>(shards);
  const std::size_t begin = columns_ * part / parts, width = columns_ * (part + 1) / parts - begin;
  const std::size_t rows = rows_of(number);
  const Shape shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(width)};
  Chunk result{Tensor(shape, Dtype::int32), Tensor(shape, Dtype::int32)};
  const auto inputs = result.inputs.mutable_data<std::int32_t>();
  const auto targets = result.targets.mutable_data<std::int32_t>();
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t b = 0; b < width; ++b) {
      const std::size_t at = (begin + b) * length_ + number * steps_ + t;
      inputs[t * width + b] = ids_[at];
      targets[t * width + b] = ids_[at + 1];
    }
  }
  return result;
}

}  // namespace unroll::tasks
