// blame: puts the user's line and the function's name in front of an error's message.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/autograd/variable.h>

namespace unroll {

/// Runs `f`; if memory runs out there, OutOfMemory says where: "file:line: function: out of
/// memory".
template <class F>
auto blame_memory(const Location& where, std::string_view function, F&& f) {
  const auto message = [&](const std::exception& e) {
    return to_string(where) + ": " + std::string(function) + ": " + e.what();
  };
  try {
    return f();
  } catch (const OutOfMemory& e) {
    throw OutOfMemory(message(e));
  } catch (const std::bad_alloc& e) {
    throw OutOfMemory(message(e));
  }
}

/// Runs `f`; an error of one of the types in error.h that comes out of it is thrown again, of the
/// same type, as "file:line: function: message". If it names this place already, only the function
/// is added, if it is another one: "file:line: linear: affine: message". std::bad_alloc becomes
/// OutOfMemory; other exceptions pass as they are.
template <class F>
auto blame(const Location& where, std::string_view function, F&& f) {
  const auto message = [&](const std::exception& e) {
    const std::string place = to_string(where) + ": ", name = std::string(function) + ": ";
    std::string text = e.what();
    if (text.starts_with(place)) text.erase(0, place.size());
    return text.starts_with(name) ? place + text : place + name + text;
  };
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
  } catch (const OutOfMemory& e) {
    throw OutOfMemory(message(e));
  } catch (const std::bad_alloc& e) {
    throw OutOfMemory(message(e));
  }
}

}  // namespace unroll
