// Reading ONNX's files: the messages of onnx.proto (github.com/onnx/onnx) by field number.
#include <unroll/tests/onnx/model.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>

#include <unroll/tests/onnx/protobuf.h>

namespace unroll::testing {

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("no file " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

// TensorProto::DataType
constexpr std::int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kBool = 9, kDouble = 11;

/// The elements, be they raw bytes or numbers of a field of their own.
template <class T>
std::vector<T> elements(const std::vector<T>& listed, std::string_view raw) {
  if (raw.empty()) return listed;
  std::vector<T> values(raw.size() / sizeof(T));
  std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

std::vector<std::int32_t> as_int32(const std::vector<std::int64_t>& values) {
  // Bounds like "to the end" are the largest number there is.
  using Limits = std::numeric_limits<std::int32_t>;
  std::vector<std::int32_t> result;
  for (const std::int64_t v : values) {
    result.push_back(
        static_cast<std::int32_t>(std::clamp<std::int64_t>(v, Limits::min(), Limits::max())));
  }
  return result;
}

OnnxTensor read_tensor(std::string_view message, std::string* name = nullptr) {
  std::vector<std::int64_t> dims, integers;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::string_view raw;
  std::int64_t dtype = 0;
  for (ProtobufFields f(message); f.next();) {
    switch (f.number()) {
      case 1: f.append_integers(dims); break;
      case 2: dtype = f.integer(); break;
      case 4: f.append_fixed(floats); break;
      case 5:
      case 7: f.append_integers(integers); break;
      case 8:
        if (name != nullptr) *name = f.text();
        break;
      case 9: raw = f.bytes(); break;
      case 10: f.append_fixed(doubles); break;
    }
  }
  if (dims.size() > Shape::kMaxRank) return std::nullopt;
  const Shape shape(dims);
  const auto narrowed = as_int32(integers);
  switch (dtype) {
    case kFloat: return Tensor(shape, elements(floats, raw));
    case kDouble: return Tensor(shape, elements(doubles, raw));
    case kInt32: return Tensor(shape, elements(narrowed, raw));
    case kInt64: return Tensor(shape, as_int32(elements(integers, raw)));
    case kBool: {
      if (raw.empty()) return Tensor(shape, narrowed).to(Dtype::bool_);
      const std::vector<std::int32_t> bytes(raw.begin(), raw.end());
      return Tensor(shape, bytes).to(Dtype::bool_);
    }
    default: return std::nullopt;
  }
}

OnnxAttribute read_attribute(std::string_view message, std::string& name) {
  OnnxAttribute attribute;
  for (ProtobufFields f(message); f.next();) {
    switch (f.number()) {
      case 1: name = f.text(); break;
      case 2: attribute.number = f.fixed<float>(); break;
      case 3: attribute.integer = f.integer(); break;
      case 4: attribute.text = f.text(); break;
      case 5: attribute.tensor = read_tensor(f.bytes()); break;
      case 8: f.append_integers(attribute.integers); break;
    }
  }
  return attribute;
}

OnnxNode read_node(std::string_view message) {
  OnnxNode node;
  std::string name;
  for (ProtobufFields f(message); f.next();) {
    switch (f.number()) {
      case 1: node.input_names.push_back(f.text()); break;
      case 2: node.output_names.push_back(f.text()); break;
      case 4: node.op = f.text(); break;
      case 5: {
        OnnxAttribute attribute = read_attribute(f.bytes(), name);
        node.attributes[name] = std::move(attribute);
        break;
      }
    }
  }
  return node;
}

/// The first field of a ValueInfoProto is its name.
std::string name_of_value(std::string_view message) {
  for (ProtobufFields f(message); f.next();) {
    if (f.number() == 1) return f.text();
  }
  return "";
}

}  // namespace

OnnxModel read_onnx_model(const std::filesystem::path& path) {
  const std::string bytes = content_of(path);
  OnnxModel model;
  for (ProtobufFields in_model(bytes); in_model.next();) {
    if (in_model.number() != 7) continue;
    for (ProtobufFields f(in_model.bytes()); f.next();) {
      switch (f.number()) {
        case 1: model.nodes.push_back(read_node(f.bytes())); break;
        case 5: {
          std::string name;
          const OnnxTensor value = read_tensor(f.bytes(), &name);
          model.constants[name] = value;
          break;
        }
        case 11: model.inputs.push_back(name_of_value(f.bytes())); break;
        case 12: model.outputs.push_back(name_of_value(f.bytes())); break;
      }
    }
  }
  // Older models list their constants among the inputs.
  std::erase_if(model.inputs, [&](const auto& name) { return model.constants.contains(name); });
  return model;
}

OnnxTensor read_onnx_tensor(const std::filesystem::path& path) {
  return read_tensor(content_of(path));
}

}  // namespace unroll::testing
