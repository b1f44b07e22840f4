// Catch2 for the tests, version 2 (Debian 12) or 3 (Debian 13), and two helpers for error messages.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <exception>
#include <string>
#include <string_view>
#include <utility>

// what() of the std::exception that `call` throws; "" if it throws none.
template <class Callable>
std::string thrown_message(Callable&& call) {
  try {
    std::forward<Callable>(call)();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// True if `part` occurs in `text`.
inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
