// PyTorch's state_dict: the parameters of a model by name, as its safetensors files hold them.
//
//   load_state_dict(parameters, load_safetensors("theirs.safetensors").tensors);
//   save_safetensors("ours.safetensors", {state_dict(parameters), {}});
//
// Names and layouts of our layers' parameters are PyTorch's. Only what a program calls its own
// parts can differ.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <unroll/autograd/parameter.h>
#include <unroll/autograd/variable.h>

namespace unroll::train {

using StateDict = std::map<std::string, Tensor>;

/// What names begin with in PyTorch, and here: {"1.", "encoder."} for the second module of an
/// nn.Sequential.
struct StateDictPrefix {
  std::string torch, here;
};
/// The first prefix that fits a name is replaced, also by or in place of nothing.
using StateDictPrefixes = std::vector<StateDictPrefix>;

struct StateDictOptions {
  StateDictPrefixes prefixes = {};
  /// Every parameter has its tensor, and every tensor its parameter.
  bool strict = true;
};

/// What was left out, by our names.
struct StateDictKeys {
  std::vector<std::string> missing;     ///< parameters that kept their values
  std::vector<std::string> unexpected;  ///< tensors without a parameter
};

/// The values of all parameters under their names in PyTorch. Throws ValueError if the prefixes
/// give two of them the same name.
StateDict state_dict(const ParameterSet& parameters, const StateDictPrefixes& prefixes = {});

/// Gives every parameter the tensor of its name, in the parameter's dtype if both are floating.
/// Throws ValueError that lists the names that are missing and those that no parameter has, both
/// only if strict, and those of another shape or dtype; nothing is changed then. Throws it too if
/// the prefixes give two tensors the same name.
StateDictKeys load_state_dict(const ParameterSet& parameters, const StateDict& tensors,
                              const StateDictOptions& options = {},
                              Location at = Location::current());

}  // namespace unroll::train
