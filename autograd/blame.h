// blame: puts the user's line and the function's name in front of an error's message, and gives
// std::bad_alloc the type that errors of this library have.
#pragma once

#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <unroll/autograd/error.h>
#include <unroll/autograd/location.h>

namespace unroll {

namespace detail {

/// "file:line: function: message". If the message names this place already, only the function is
/// added, if it is another one: "file:line: linear: affine: message".
std::string blamed(const Location& where, std::string_view function, std::string_view message);
/// The same as an error, without asking for memory; no place if `where` is null.
OutOfMemory out_of_memory(const Location* where, std::string_view function,
                          std::string_view message = "out of memory");

}  // namespace detail

/// Runs `f`; if memory runs out there, OutOfMemory says where: "file:line: function: out of
/// memory". `where` may be null, for what has no line of the user's.
template <class F>
auto blame_memory(const Location* where, std::string_view function, F&& f) {
  try {
    return f();
  } catch (const OutOfMemory& e) {
    throw detail::out_of_memory(where, function, e.what());
  } catch (const std::bad_alloc&) {
    throw detail::out_of_memory(where, function);
  }
}
template <class F>
auto blame_memory(const Location& where, std::string_view function, F&& f) {
  return blame_memory(&where, function, std::forward<F>(f));
}
template <class F>
auto blame_memory(std::string_view function, F&& f) {
  return blame_memory(nullptr, function, std::forward<F>(f));
}

/// Runs `f`; an error of one of the types in error.h that comes out of it is thrown again, of the
/// same type and blamed on this function and line, and so is std::bad_alloc, as OutOfMemory. Other
/// exceptions pass as they are.
template <class F>
auto blame(const Location& where, std::string_view function, F&& f) {
  return blame_memory(where, function, [&] {  // there may be no memory for a message, either
    const auto message = [&](const Error& e) { return detail::blamed(where, function, e.what()); };
    try {
      return f();
    } catch (const ShapeError& e) {
      throw ShapeError(message(e));
    } catch (const DtypeError& e) {
      throw DtypeError(message(e));
    } catch (const ValueError& e) {
      throw ValueError(message(e));
    } catch (const StateError& e) {
      throw StateError(message(e));
    } catch (const IoError& e) {
      throw IoError(message(e));
    } catch (const NumericError& e) {
      throw NumericError(message(e));
    }
  });
}

}  // namespace unroll
