// ONNX's published node tests: a model of one node, inputs, and the outputs that it must give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::testing {

struct OnnxAttribute {
  double number = 0;
  std::int64_t integer = 0;
  std::string text;
  std::vector<std::int64_t> integers;
};

/// A tensor as ours; int64 is read as int32. Nothing if we have none of its dtype or rank.
struct OnnxTensor {
  std::optional<Tensor> value;
};

struct NodeTestCase {
  std::string op;
  std::map<std::string, OnnxAttribute> attributes;
  /// By position; nothing where an optional one is left out.
  std::vector<std::optional<OnnxTensor>> inputs, outputs;

  std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
    return attributes.contains(name) ? attributes.at(name).integer : otherwise;
  }
  double number(const std::string& name, double otherwise) const {
    return attributes.contains(name) ? attributes.at(name).number : otherwise;
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return attributes.contains(name) ? attributes.at(name).text : otherwise;
  }
  std::vector<std::int64_t> integers(const std::string& name) const {
    return attributes.contains(name) ? attributes.at(name).integers : std::vector<std::int64_t>();
  }
  bool has(std::size_t input) const { return input < inputs.size() && inputs[input].has_value(); }
  const Tensor& input(std::size_t i) const { return *inputs.at(i)->value; }
};

/// Reads the test in `folder`; nothing if its model is more than one node, or a node of an op that
/// is not `wanted`. Throws std::runtime_error for files that are damaged.
std::optional<NodeTestCase> read_node_test(
    const std::filesystem::path& folder, const std::function<bool(const std::string& op)>& wanted);

}  // namespace unroll::testing
