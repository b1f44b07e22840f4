// typed_memory: gives std::bad_alloc the type that errors of this library have.
#pragma once

#include <new>
#include <string>
#include <string_view>

#include <unroll/autograd/error.h>

namespace unroll {

/// Runs `f`; a std::bad_alloc that comes out of it becomes an OutOfMemory that begins with the
/// function's name. For functions that allocate more than tensors, and have no line of the user's.
template <class F>
auto typed_memory(std::string_view function, F&& f) {
  try {
    return f();
  } catch (const std::bad_alloc& e) {
    throw OutOfMemory(std::string(function) + ": " + e.what());
  }
}

}  // namespace unroll
