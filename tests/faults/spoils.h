// Spoils: the ways in which one argument of a right call is made wrong.
#pragma once

#include <string>
#include <vector>

#include <unroll/tests/faults/calls.h>

namespace unroll::testing {

struct Spoil {
  std::string name;
  /// Puts the wrong argument in place of argument i.
  std::function<void(World& world, std::size_t i)> apply;
  std::string shown = {};  ///< what the message has to show of it; empty: anything
  bool in_data = false;    ///< seen only when the value is computed
  bool legal = false;      ///< it may well be right, after all
};

std::vector<Spoil> spoils_of(const Argument& argument);

}  // namespace unroll::testing
