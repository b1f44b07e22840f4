// Thoroughness: how much of a large test is run. A selection by default, everything if the
// environment variable UNROLL_TEST_ALL is set and not 0 (`./run test --all`).
#pragma once

#include <cstdlib>
#include <string_view>

namespace unroll::testing {

inline bool all_tests() {
  const char* value = std::getenv("UNROLL_TEST_ALL");
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

/// How many cases to try: `selection` of them, or `all`.
template <class Count>
Count cases(Count selection, Count all) {
  return all_tests() ? all : selection;
}

}  // namespace unroll::testing
