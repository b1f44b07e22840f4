// Tensor: aligned buffers, copy-on-write, conversion.
#include <unroll/autograd/tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include <unroll/autograd/arena.h>
#include <unroll/autograd/convert.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/recycled.h>

namespace unroll {

namespace {

std::shared_ptr<std::byte[]> allocate(std::size_t bytes) {
  // Whole cache lines, so that a vector load at the end of a buffer stays inside it.
  return {static_cast<std::byte*>(RecycledMemory::take(bytes)),
          [bytes](std::byte* p) { RecycledMemory::give_back(p, bytes); },
          RecyclingAllocator<std::byte>()};
}

void expect_dtype(Dtype actual, Dtype asked) {
  if (actual != asked) {
    throw DtypeError(fmt::format("Tensor::data: the tensor holds {}; asked for {}", name_of(actual),
                                 name_of(asked)));
  }
}

}  // namespace

Tensor::Tensor() noexcept : shape_({0}) {
  // What has no element is shared by all, and owned by nobody.
  alignas(kAlignment) static std::byte nothing[kAlignment];
  buffer_ = std::shared_ptr<std::byte[]>(std::shared_ptr<void>(), nothing);
}

Tensor::Tensor(const Shape& shape, Dtype dtype)
    : shape_(shape), dtype_(dtype), buffer_(allocate(bytes())) {
  std::memset(buffer_.get(), 0, bytes());
}

template <Element T>
Tensor::Tensor(const Shape& shape, std::span<const T> values)
    : shape_(shape), dtype_(dtype_of<T>()) {
  if (static_cast<std::int64_t>(values.size()) != shape.size()) {
    throw ShapeError(fmt::format("Tensor: got {} values for shape {}; expected {}", values.size(),
                                 to_string(shape), shape.size()));
  }
  buffer_ = allocate(bytes());
  if (!values.empty()) std::memcpy(buffer_.get(), values.data(), bytes());
}
template Tensor::Tensor(const Shape&, std::span<const float>);
template Tensor::Tensor(const Shape&, std::span<const double>);
template Tensor::Tensor(const Shape&, std::span<const std::int32_t>);
template Tensor::Tensor(const Shape&, std::span<const bool>);

Tensor Tensor::uninitialized(const Shape& shape, Dtype dtype) {
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.buffer_ = allocate(result.bytes());
  return result;
}

Tensor Tensor::uninitialized_exact(const Shape& shape, Dtype dtype) {
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  const std::size_t bytes = result.bytes();
  result.buffer_ = {allocate_aligned(bytes), [bytes](std::byte* p) { free_aligned(p, bytes); }};
  return result;
}

Tensor Tensor::full(const Shape& shape, double value, Dtype dtype) {
  Tensor result = uninitialized(shape, dtype);
  with_element(dtype, [&]<class T>(T*) {
    std::ranges::fill(result.mutable_data<T>(), converted<T>(value));
  });
  return result;
}

template <Element T>
std::span<const T> Tensor::data() const& {
  expect_dtype(dtype_, dtype_of<T>());
  return {reinterpret_cast<const T*>(buffer_.get()), static_cast<std::size_t>(size())};
}
template std::span<const float> Tensor::data() const&;
template std::span<const double> Tensor::data() const&;
template std::span<const std::int32_t> Tensor::data() const&;
template std::span<const bool> Tensor::data() const&;

template <Element T>
std::span<T> Tensor::mutable_data() {
  expect_dtype(dtype_, dtype_of<T>());
  return {static_cast<T*>(mutable_raw()), static_cast<std::size_t>(size())};
}
template std::span<float> Tensor::mutable_data();
template std::span<double> Tensor::mutable_data();
template std::span<std::int32_t> Tensor::mutable_data();
template std::span<bool> Tensor::mutable_data();

void* Tensor::mutable_raw() {
  if (buffer_.use_count() > 1) {
    auto own = allocate(bytes());
    std::memcpy(own.get(), buffer_.get(), bytes());
    buffer_ = std::move(own);
  }
  return buffer_.get();
}

double Tensor::item() const {
  if (size() != 1) {
    throw ShapeError(fmt::format("Tensor::item: the tensor has shape {}; expected one element",
                                 to_string(shape_)));
  }
  return at(0);
}

double Tensor::at(std::int64_t index) const {
  if (index < 0 || index >= size()) {
    throw ValueError(
        fmt::format("Tensor::at: index {} is outside shape {}", index, to_string(shape_)));
  }
  return with_element(dtype_, [&]<class T>(T*) {
    return static_cast<double>(data<T>()[static_cast<std::size_t>(index)]);
  });
}

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.size() != size()) {
    throw ShapeError(fmt::format("Tensor::reshaped: {} cannot take the shape {}", to_string(shape_),
                                 to_string(shape)));
  }
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

Tensor Tensor::to(Dtype dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = uninitialized(shape_, dtype);
  with_element(dtype_, [&]<class From>(From*) {
    with_element(dtype, [&]<class To>(To*) {
      std::ranges::transform(data<From>(), result.mutable_data<To>().begin(), converted<To, From>);
    });
  });
  return result;
}

bool Tensor::identical(const Tensor& other) const {
  return dtype_ == other.dtype_ && shape_ == other.shape_ &&
         std::memcmp(raw(), other.raw(), bytes()) == 0;
}

std::string to_string(const Tensor& tensor, std::int64_t limit) {
  std::string text = fmt::format("{} {} {{", name_of(tensor.dtype()), to_string(tensor.shape()));
  for (std::int64_t i = 0; i < std::min(limit, tensor.size()); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{:.6g}", i == 0 ? "" : ", ", tensor.at(i));
  }
  return text + (tensor.size() > limit ? ", ...}" : "}");
}

}  // namespace unroll
