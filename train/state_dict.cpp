// state_dict and load_state_dict: names, and what is done about those that do not fit.
#include <unroll/train/state_dict.h>

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/train/checkpoint.h>

namespace unroll::train {

namespace {

using Side = std::string StateDictPrefix::*;

std::string renamed(const std::string& name, const StateDictPrefixes& prefixes, Side from,
                    Side to) {
  for (const StateDictPrefix& prefix : prefixes) {
    const std::string& beginning = prefix.*from;
    if (name.starts_with(beginning)) return prefix.*to + name.substr(beginning.size());
  }
  return name;
}

StateDict renamed(const StateDict& tensors, const StateDictPrefixes& prefixes, Side from, Side to) {
  StateDict result;
  for (const auto& [name, tensor] : tensors) {
    const auto [place, is_new] = result.emplace(renamed(name, prefixes, from, to), tensor);
    if (is_new) continue;
    throw ValueError(
        fmt::format("the prefixes make \"{}\" of two names, one of them \"{}\"; "
                    "expected different names",
                    place->first, name));
  }
  return result;
}

}  // namespace

StateDict state_dict(const ParameterSet& parameters, const StateDictPrefixes& prefixes) {
  return blame_memory("state_dict", [&] {
    return renamed(values_of(parameters), prefixes, &StateDictPrefix::here,
                   &StateDictPrefix::torch);
  });
}

StateDictKeys load_state_dict(const ParameterSet& parameters, const StateDict& tensors,
                              const StateDictOptions& options, Location at) {
  return blame(at, "load_state_dict", [&] {
    StateDict values =
        renamed(tensors, options.prefixes, &StateDictPrefix::torch, &StateDictPrefix::here);
    StateDictKeys keys;
    for (const auto& [name, tensor] : values) {
      if (!parameters.contains(name)) keys.unexpected.push_back(name);
    }
    for (const Parameter& parameter : parameters) {
      const auto found = values.find(parameter.name());
      if (found == values.end()) {
        keys.missing.push_back(parameter.name());
      } else if (is_floating(found->second.dtype()) && is_floating(parameter.dtype())) {
        found->second = found->second.to(parameter.dtype());
      }
    }
    if (!options.strict) {
      for (const std::string& name : keys.unexpected) values.erase(name);
      for (const std::string& name : keys.missing) values[name] = parameters.at(name).value();
    }
    assign(parameters, values);
    return keys;
  });
}

}  // namespace unroll::train
