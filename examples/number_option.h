// Options of the programs that are numbers within a range.
#pragma once

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string>

namespace unroll {

/// An option with a number from `least` to `most`. CLI11's own range check lets NaN pass.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& value, const std::string& text,
                        double least, double most) {
  const auto check = [least, most](const std::string& given) {
    char* end = nullptr;
    const double number = std::strtod(given.c_str(), &end);
    const bool good = end != given.c_str() && *end == '\0' && number >= least && number <= most;
    return good ? std::string()
                : fmt::format("{} is no number from {:g} to {:g}", given, least, most);
  };
  return app.add_option(name, value, text)
      ->capture_default_str()
      ->check(CLI::Validator(check, fmt::format("{:g} to {:g}", least, most)));
}

}  // namespace unroll
