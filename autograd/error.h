// The typed exceptions of the library. Messages have the form `function: what it got; what it
// expected`. What is recorded on a tape (ops, layers, gradients) puts the caller's `file:line: ` in
// front; tensors, parameters, optimisers and files name only themselves. A call that throws has
// changed nothing. Memory that is not to be had is OutOfMemory; std::bad_alloc comes from `text/`,
// from the caller's own lists, strings and copies on the way into a call, and where there is none
// for the message of another error.
#pragma once

#include <array>
#include <stdexcept>
#include <string_view>

namespace unroll {

/// Base of everything this library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Operand shapes do not fit the operation, or a size product overflows.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// Operand dtypes do not fit the operation.
class DtypeError : public Error {
 public:
  using Error::Error;
};

/// An argument is outside its domain (negative rate, unknown name, index out of range, ...).
class ValueError : public Error {
 public:
  using Error::Error;
};

/// The call is not possible in the present state: stale handle, foreign tape, no gradient path.
class StateError : public Error {
 public:
  using Error::Error;
};

/// A file could not be read or written, or its content is malformed.
class IoError : public Error {
 public:
  using Error::Error;
};

/// A computation produced NaN or infinity where a finite number is needed.
class NumericError : public Error {
 public:
  using Error::Error;
};

/// There is not as much memory as a call needs.
class OutOfMemory : public Error {
 public:
  /// Keeps the first 500 bytes or so of the message. It asks for no memory, as there may be none.
  explicit OutOfMemory(std::string_view message) : Error("") {
    text_[message.copy(text_.data(), text_.size() - 1)] = '\0';
  }
  const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 512> text_;
};

}  // namespace unroll
