// ParameterSet and Scope: registration by creation.
#include <unroll/autograd/parameter.h>

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include <unroll/autograd/blame.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/parameter_layouts.h>
#include <unroll/autograd/random.h>
#include <unroll/autograd/recycled.h>

namespace unroll {

Parameter::Data& Parameter::data() const {
  if (data_ == nullptr) {
    throw StateError("Parameter: the handle is empty; expected one that a Scope created");
  }
  return *data_;
}

void Parameter::assign(Tensor value) const {
  if (value.dtype() != dtype()) {
    throw DtypeError(fmt::format("Parameter::assign: {} is {}; got {}", name(), name_of(dtype()),
                                 name_of(value.dtype())));
  }
  if (value.shape() != shape()) {
    throw ShapeError(fmt::format("Parameter::assign: {} has shape {}; got {}", name(),
                                 to_string(shape()), to_string(value.shape())));
  }
  data_->value = std::move(value);
  ++data_->version;
}

Scope ParameterSet::scope(std::string_view name) {
  return blame_memory("ParameterSet::scope", [&] { return Scope(*this, std::string(name)); });
}

Parameter ParameterSet::create(std::string_view name, const Tensor& value) {
  return blame_memory("ParameterSet::create", [&] {
    if (name.empty()) throw ValueError("ParameterSet::create: the name is empty");
    if (contains(name)) {
      throw ValueError(
          fmt::format("ParameterSet::create: {} exists already; names are unique", name));
    }
    Parameter parameter;
    parameter.data_ = std::make_shared<Parameter::Data>();
    *parameter.data_ = {std::string(name), value.to(dtype_), parameters_.size(), 0,
                        std::make_shared<ParameterLayouts>()};
    parameters_.push_back(parameter);
    return parameter;
  });
}

bool ParameterSet::contains(std::string_view name) const {
  return std::ranges::any_of(parameters_, [&](const Parameter& p) { return p.name() == name; });
}

const Parameter& ParameterSet::at(std::string_view name) const {
  const auto found =
      std::ranges::find_if(parameters_, [&](const Parameter& p) { return p.name() == name; });
  if (found != parameters_.end()) return *found;
  std::string names;
  for (const Parameter& p : parameters_) names += (names.empty() ? "" : ", ") + p.name();
  throw ValueError(fmt::format("ParameterSet::at: no parameter {}; there are {}", name, names));
}

std::int64_t ParameterSet::elements() const {
  std::int64_t total = 0;
  for (const Parameter& p : parameters_) total += p.shape().size();
  return total;
}

void ParameterSet::to(Dtype dtype) {
  if (!is_floating(dtype)) {
    throw DtypeError(
        fmt::format("ParameterSet::to: got {}; expected float32 or float64", name_of(dtype)));
  }
  RecycledVector<Tensor> converted;
  converted.reserve(size());
  for (const Parameter& p : parameters_) converted.push_back(p.value().to(dtype));
  dtype_ = dtype;
  for (const Parameter& p : parameters_) {
    p.data_->value = std::move(converted[p.index()]);
    ++p.data_->version;
  }
}

std::string Scope::full_name(std::string_view name) const {
  return blame_memory("Scope", [&] {
    return prefix_.empty() ? std::string(name) : fmt::format("{}.{}", prefix_, name);
  });
}

Parameter Scope::parameter(std::string_view name, const Shape& shape,
                           const Initializer& initializer) const {
  return blame_memory("Scope::parameter", [&] {
    const std::string full = full_name(name);
    return set_->create(full, initializer(shape, mix(set_->seed(), hash_of(full))));
  });
}

LayerScope::LayerScope(const Scope& scope)
    : scope_(scope), before_(scope.set().size()), exceptions_(std::uncaught_exceptions()) {}

LayerScope::~LayerScope() {
  if (std::uncaught_exceptions() <= exceptions_) return;
  std::vector<Parameter>& all = set().parameters_;
  const auto is_lost = [](const Parameter& p) { return p.data_.use_count() == 1; };
  std::size_t kept = std::min(before_, all.size());
  for (std::size_t i = kept; i < all.size(); ++i) {
    if (is_lost(all[i])) continue;
    if (i != kept) all[kept] = std::move(all[i]);
    all[kept].data_->index = kept;
    ++kept;
  }
  all.resize(kept);
}

}  // namespace unroll
