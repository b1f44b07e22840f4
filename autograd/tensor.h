// Tensor: a row-major array as a value. Copies are O(1) and behave like copies (copy-on-write).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/shape.h>

namespace unroll {

/// Alignment of every tensor buffer and arena slot, in bytes: one cache line, one AVX-512 vector.
inline constexpr std::size_t kAlignment = 64;

template <Element T>
class HeldElements;

/// A dense row-major array of one dtype. Reading never copies; `mutable_data` copies first if the
/// buffer is shared, so that writing to one tensor is never seen through another.
class Tensor {
 public:
  /// A float32 tensor of shape [0]; what was moved from is one.
  Tensor() noexcept;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&& other) noexcept : Tensor() { swap(other); }
  Tensor& operator=(const Tensor&) = default;
  Tensor& operator=(Tensor&& other) noexcept {
    Tensor taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Tensor() = default;
  /// Zeros. Throws OutOfMemory when memory runs out, as whatever makes tensors does.
  explicit Tensor(const Shape& shape, Dtype dtype = Dtype::float32);
  /// `values` in row-major order; throws ShapeError unless there is one per element.
  template <Element T>
  Tensor(const Shape& shape, std::span<const T> values);
  template <Element T>
  Tensor(const Shape& shape, std::initializer_list<T> values)
      : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}
  template <Element T>
  requires(!std::is_same_v<T, bool>) Tensor(const Shape& shape, const std::vector<T>& values)
      : Tensor(shape, std::span<const T>(values)) {}

  /// Memory that the caller promises to write before reading.
  static Tensor uninitialized(const Shape& shape, Dtype dtype = Dtype::float32);
  /// The same, in memory without room to spare that goes back to the system: for what is read from
  /// a file and kept.
  static Tensor uninitialized_exact(const Shape& shape, Dtype dtype = Dtype::float32);
  /// Every element is `value`, converted to `dtype`.
  static Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::float32);
  /// A rank-0 tensor.
  static Tensor scalar(double value, Dtype dtype = Dtype::float32) {
    return full(Shape{}, value, dtype);
  }

  const Shape& shape() const { return shape_; }
  Dtype dtype() const { return dtype_; }
  std::int64_t size() const { return shape_.size(); }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }

  /// The elements; throws DtypeError unless T is this tensor's element type.
  template <Element T>
  std::span<const T> data() const&;
  /// The same of a temporary, which they keep alive: for (float x : v.value().data<float>()).
  template <Element T>
  HeldElements<T> data() const&&;
  template <Element T>
  std::span<T> mutable_data();
  const void* raw() const { return buffer_.get(); }
  void* mutable_raw();

  /// The only element; throws ShapeError unless there is exactly one. Converts to double.
  double item() const;
  /// The element at row-major position `index`, converted to double; ValueError out of range.
  double at(std::int64_t index) const;
  /// The same elements under another shape of the same size, without copying.
  Tensor reshaped(const Shape& shape) const;
  /// Converted element by element. int32 drops the fraction, what is out of its range becomes the
  /// nearest limit and NaN 0; bool is `!= 0`.
  Tensor to(Dtype dtype) const;

  /// Same dtype, shape and bytes.
  bool identical(const Tensor& other) const;

 private:
  void swap(Tensor& other) noexcept {
    std::swap(shape_, other.shape_);
    std::swap(dtype_, other.dtype_);
    buffer_.swap(other.buffer_);
  }

  Shape shape_;
  Dtype dtype_ = Dtype::float32;
  std::shared_ptr<std::byte[]> buffer_;
};

/// Elements together with the tensor that they belong to.
template <Element T>
class HeldElements {
 public:
  explicit HeldElements(const Tensor& tensor) : tensor_(tensor), elements_(tensor_.data<T>()) {}
  auto begin() const { return elements_.begin(); }
  auto end() const { return elements_.end(); }
  const T* data() const { return elements_.data(); }
  std::size_t size() const { return elements_.size(); }
  bool empty() const { return elements_.empty(); }
  const T& operator[](std::size_t i) const { return elements_[i]; }
  const T& front() const { return elements_.front(); }
  const T& back() const { return elements_.back(); }

 private:
  Tensor tensor_;
  std::span<const T> elements_;
};

template <Element T>
HeldElements<T> Tensor::data() const&& {
  return HeldElements<T>(*this);
}

/// "float32 [2, 3] {1, 2, 3, 4, 5, 6}", cut after `limit` elements.
std::string to_string(const Tensor& tensor, std::int64_t limit = 20);

}  // namespace unroll
