// ONNX's published tests: a model of a few nodes, inputs, and the outputs that it must give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll::testing {

/// A tensor as ours; int64 is read as int32. Nothing if we have none of its dtype or rank.
using OnnxTensor = std::optional<Tensor>;

struct OnnxAttribute {
  double number = 0;
  std::int64_t integer = 0;
  std::string text;
  std::vector<std::int64_t> integers;
  OnnxTensor tensor;
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> input_names, output_names;  ///< empty: left out
  std::map<std::string, OnnxAttribute> attributes;
  std::vector<OnnxTensor> inputs = {};  ///< by position, while the node is computed

  bool has(std::size_t i) const { return i < inputs.size() && inputs[i].has_value(); }
  const Tensor& input(std::size_t i) const { return *inputs.at(i); }
  // An attribute, or what ONNX takes where there is none.
  bool says(const std::string& name) const { return attributes.contains(name); }
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
    return says(name) ? attributes.at(name).integer : otherwise;
  }
  double number(const std::string& name, double otherwise) const {
    return says(name) ? attributes.at(name).number : otherwise;
  }
  std::string text(const std::string& name, const std::string& otherwise) const {
    return says(name) ? attributes.at(name).text : otherwise;
  }
  std::vector<std::int64_t> integers(const std::string& name) const {
    return says(name) ? attributes.at(name).integers : std::vector<std::int64_t>();
  }
};

struct OnnxModel {
  std::vector<OnnxNode> nodes;  ///< in an order in which they can be computed
  std::vector<std::string> inputs, outputs;
  std::map<std::string, OnnxTensor> constants;
};

/// Reads a file model.onnx. Throws std::runtime_error if it is damaged.
OnnxModel read_onnx_model(const std::filesystem::path& path);

/// Reads a file input_0.pb, output_0.pb, ... Throws std::runtime_error if it is damaged.
OnnxTensor read_onnx_tensor(const std::filesystem::path& path);

}  // namespace unroll::testing
