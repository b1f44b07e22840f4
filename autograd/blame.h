// blame: puts the user's line and the function's name in front of an error's message.
#pragma once

#include <string>
#include <string_view>

#include <unroll/autograd/error.h>
#include <unroll/autograd/variable.h>

namespace unroll {

/// Runs `f`; an error of one of the types in error.h that comes out of it is thrown again, of the
/// same type, as "file:line: function: message", unless it names this place already. Other
/// exceptions pass as they are.
template <class F>
auto blame(const Location& where, std::string_view function, F&& f) {
  const auto message = [&](const Error& e) {
    const std::string place = to_string(where) + ": ", text = e.what();
    return text.starts_with(place) ? text : place + std::string(function) + ": " + text;
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
  }
}

}  // namespace unroll
