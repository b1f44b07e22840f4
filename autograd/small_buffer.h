// SmallBuffer: an array whose length is known at run time, on the stack if it is short. Internal.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <unroll/autograd/recycled.h>

namespace unroll {

/// `count` elements, up to N of them in place.
template <class T, std::size_t N>
class SmallBuffer {
 public:
  explicit SmallBuffer(std::size_t count) : count_(count), many_(count > N ? count : 0) {}
  std::span<T> span() {
    return many_.empty() ? std::span<T>(few_.data(), count_) : std::span<T>(many_);
  }

 private:
  std::size_t count_;
  std::array<T, N> few_{};
  RecycledVector<T> many_;
};

}  // namespace unroll
