// The calls in torch_cases.json, with what PyTorch computed for them, and the check against it.
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/tests/support/catch.h>

namespace unroll::testing {

struct TorchCase {
  std::string name;
  nlohmann::json options;
  std::vector<Tensor> inputs;  ///< float64 and int32
  Tensor output, cotangent;
  std::vector<Tensor> gradients;  ///< by the floating inputs, in order
};

/// What Numbers of tests/support/golden.py drew with this seed.
inline Tensor drawn(const Shape& shape, const nlohmann::json& record) {
  const auto seed = record.at("seed").get<std::uint64_t>();
  Tensor result(shape, record.contains("bound") ? Dtype::int32 : Dtype::float64);
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(result.size()); ++i) {
    const std::uint64_t word = mix(seed, i);
    if (record.contains("bound")) {
      result.mutable_data<std::int32_t>()[i] =
          static_cast<std::int32_t>(word % record.at("bound").get<std::uint64_t>());
    } else {
      const double low = record.value("low", -1.0), high = record.value("high", 1.0);
      result.mutable_data<double>()[i] = low + (high - low) * (double(word >> 57) / 128);
    }
  }
  return result;
}

inline Tensor tensor_from(const nlohmann::json& record) {
  const Shape shape(record.at("shape").get<std::vector<std::int64_t>>());
  if (record.contains("seed")) return drawn(shape, record);
  if (record.contains("int32")) {
    return Tensor(shape, record.at("int32").get<std::vector<std::int32_t>>());
  }
  std::vector<double> values;
  for (const auto& value : record.at("values")) {
    values.push_back(value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>());
  }
  return Tensor(shape, values);
}

/// The recorded calls of `op`.
inline std::vector<TorchCase> torch_cases(const std::string& op) {
  const std::filesystem::path here = __FILE__;
  std::ifstream file(here.parent_path() / "torch_cases.json");
  const nlohmann::json all = nlohmann::json::parse(file);
  std::vector<TorchCase> cases;
  for (const auto& record : all.at("cases")) {
    if (record.at("op") != op) continue;
    cases.push_back({record.at("name"),
                     record.at("options"),
                     {},
                     tensor_from(record.at("output")),
                     tensor_from(record.at("cotangent")),
                     {}});
    for (const auto& x : record.at("inputs")) cases.back().inputs.push_back(tensor_from(x));
    for (const auto& g : record.at("gradients")) cases.back().gradients.push_back(tensor_from(g));
  }
  return cases;
}

/// Equal shapes, and elements within `tolerance` of the largest finite one; NaN equals NaN.
inline void check_close(const Tensor& got, const Tensor& expected, double tolerance) {
  INFO("got " << to_string(got) << ", expected " << to_string(expected));
  REQUIRE(got.shape() == expected.shape());
  double largest = 1;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    if (std::isfinite(expected.at(i))) largest = std::max(largest, std::abs(expected.at(i)));
  }
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double a = got.at(i), b = expected.at(i);
    const bool same = std::isnan(b) ? std::isnan(a) : a == b;
    if (!same) CHECK(std::abs(a - b) <= tolerance * largest);
  }
}

/// The rule of torch.testing.assert_close for float32, for results of `steps` steps.
inline void check_close_in_float32(const Tensor& got, const Tensor& expected, double steps) {
  INFO("got " << to_string(got) << ", expected " << to_string(expected));
  REQUIRE(got.dtype() == Dtype::float32);
  REQUIRE(got.shape() == expected.shape());
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double b = expected.at(i), error = std::abs(got.at(i) - b);
    if (!(error <= 1e-5 + 1.3e-6 * std::sqrt(steps) * std::abs(b))) CHECK(got.at(i) == b);
  }
}

/// Runs `call` on the inputs of a case and compares the output and all gradients.
inline void check_case(const TorchCase& c,
                       const std::function<Variable(std::span<const Variable>)>& call, Dtype dtype,
                       double tolerance) {
  INFO(c.name << ", " << name_of(dtype));
  Tape tape;
  Variables inputs, floating;
  for (const Tensor& x : c.inputs) {
    inputs.push_back(tape.input(is_floating(x.dtype()) ? x.to(dtype) : x));
    if (is_floating(x.dtype())) floating.push_back(inputs.back());
  }
  const Variable y = call(inputs), dy = tape.input(c.cotangent.to(dtype));
  check_close(y.value(), c.output, tolerance);
  const auto found = vector_jacobian_product(std::span(&y, 1), std::span(&dy, 1), floating);
  REQUIRE(found.size() == c.gradients.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].defined());
    check_close(found[i].value(), c.gradients[i], tolerance);
  }
}

/// All recorded calls of `op`, in double and in float; `call` gets the options and the inputs.
inline void check_against_torch(
    const std::string& op,
    const std::function<Variable(const nlohmann::json&, std::span<const Variable>)>& call,
    double float_tolerance = 4e-6) {
  const auto cases = torch_cases(op);
  REQUIRE(!cases.empty());
  for (const TorchCase& c : cases) {
    const auto with_options = [&](std::span<const Variable> x) { return call(c.options, x); };
    check_case(c, with_options, Dtype::float64, 2e-13);
    check_case(c, with_options, Dtype::float32, float_tolerance);
  }
}

}  // namespace unroll::testing
