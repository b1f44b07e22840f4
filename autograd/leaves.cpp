// Leaves, detach and accumulate.
#include <unroll/autograd/leaves.h>

#include <algorithm>
#include <cstring>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>

namespace unroll {

namespace {

/// A node whose value is there from the start.
class Leaf final : public Op {
 public:
  explicit Leaf(std::string name) : Op(std::move(name), {.internal = true}) {}
  Type infer(const Signature&) const override { return {}; }
  void run(const KernelCall&) const override {}
  void derive(Derivation&) const override {}
};

class Constant final : public Op {
 public:
  Constant() : Op("constant", {.internal = true}) {}
  Type infer(const Signature&) const override { return {}; }
  void run(const KernelCall& call) const override {
    const double number = call.attributes.as<double>();
    with_element(call.output.dtype(), [&]<class T>(T*) {
      std::fill_n(call.output.as<T>(), call.output.size(), static_cast<T>(number));
    });
  }
  void derive(Derivation&) const override {}
  std::size_t attribute_bytes() const override { return sizeof(double); }
  std::size_t data_bytes() const override { return sizeof(double); }
};

class Detach final : public Op {
 public:
  Detach() : Op("detach", {.internal = true}) {}
  Type infer(const Signature& call) const override { return call.input(0); }
  std::int64_t alias_offset(const Signature&, const Type&) const override { return 0; }
  void run(const KernelCall&) const override {}
  void derive(Derivation&) const override {}
};

class Accumulate final : public Op {
 public:
  Accumulate() : Op("accumulate", {.accumulates = true, .internal = true}) {}

  Type infer(const Signature& call) const override {
    for (const Type* type : call.inputs) {
      if (!(*type == call.input(0))) {
        throw ShapeError("gradient contributions differ in type: " + to_string(call.input(0)) +
                         " and " + to_string(*type));
      }
    }
    return call.input(0);
  }

  void run(const KernelCall& call) const override {
    if (call.output.dtype() == Dtype::float32) return add_up<float>(call);
    add_up<double>(call);
  }

  void derive(Derivation& d) const override {
    for (std::size_t i = 0; i < d.input_count(); ++i) d.add(i, d.cotangent());
  }

 private:
  template <class T>
  static void add_up(const KernelCall& call) {
    T* __restrict out = call.output.as<T>();
    const std::int64_t n = call.output.size();
    std::size_t next = 0;
    if (!call.accumulate) {
      std::memcpy(out, call.input(0).data, static_cast<std::size_t>(n) * sizeof(T));
      next = 1;
    }
    for (; next < call.inputs.size(); ++next) {
      const T* __restrict in = call.input(next).as<T>();
      for (std::int64_t i = 0; i < n; ++i) out[i] += in[i];
    }
  }
};

const Leaf kInput("input"), kParameter("parameter");
const Constant kConstant;
const Detach kDetach;
const Accumulate kAccumulate;

}  // namespace

const Op& input_op() { return kInput; }
const Op& parameter_op() { return kParameter; }
const Op& constant_op() { return kConstant; }
const Op& detach_op() { return kDetach; }
const Op& accumulate_op() { return kAccumulate; }

bool is_leaf(const Node& node) {
  return node.op == &kInput || node.op == &kParameter || node.op == &kConstant;
}

}  // namespace unroll
