// Parameter: a trainable tensor with a name. Creating one in a Scope registers it in its set.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/autograd/tensor.h>

namespace unroll {

class ParameterLayouts;

/// A handle to one trainable tensor. Copies refer to the same parameter; it lives as long as any
/// handle. Reading from several threads is safe while nobody assigns.
class Parameter {
 public:
  /// A handle to nothing.
  Parameter() = default;

  bool defined() const { return data_ != nullptr; }
  // All of these throw StateError if this is a handle to nothing.
  const std::string& name() const { return data().name; }
  const Tensor& value() const { return data().value; }
  const Shape& shape() const { return value().shape(); }
  Dtype dtype() const { return value().dtype(); }
  /// Position in its set.
  std::size_t index() const { return data().index; }
  /// Grows with every assignment; a tape refuses to mix two versions.
  std::uint64_t version() const { return data().version; }

  /// Replaces the value. Throws ShapeError or DtypeError if the type differs.
  void assign(Tensor value) const;
  /// The elements for updating in place (optimisers).
  template <Element T>
  std::span<T> update() const {
    auto elements = data().value.template mutable_data<T>();
    ++data().version;
    return elements;
  }
  bool operator==(const Parameter& other) const { return data_ == other.data_; }
  /// For the engine: what kernels made of the value.
  ParameterLayouts& layouts() const { return *data().layouts; }

 private:
  friend class ParameterSet;
  friend class LayerScope;
  struct Data {
    std::string name;
    Tensor value;
    std::size_t index = 0;
    std::uint64_t version = 0;
    std::shared_ptr<ParameterLayouts> layouts;
  };
  Data& data() const;

  std::shared_ptr<Data> data_;
};

class Scope;

/// The parameters of a model, in order of creation, with unique full names ("encoder.cell.bias").
class ParameterSet {
 public:
  /// `seed` drives every random initial value; `dtype` is what new parameters are stored in.
  explicit ParameterSet(std::uint64_t seed = 0, Dtype dtype = Dtype::float32)
      : seed_(seed), dtype_(dtype) {}

  /// The scope with this name prefix; "" is the top.
  Scope scope(std::string_view name = "");

  /// Registers `value` under `name`. Throws ValueError if the name is empty or taken, OutOfMemory.
  Parameter create(std::string_view name, const Tensor& value);

  std::size_t size() const { return parameters_.size(); }
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  const Parameter& operator[](std::size_t i) const { return parameters_[i]; }
  /// By full name; throws ValueError naming those that exist.
  const Parameter& at(std::string_view name) const;
  bool contains(std::string_view name) const;
  /// The number of trainable elements.
  std::int64_t elements() const;

  std::uint64_t seed() const { return seed_; }
  Dtype dtype() const { return dtype_; }
  /// Converts every parameter, for checking a whole model in float64. Throws DtypeError,
  /// OutOfMemory.
  void to(Dtype dtype);

 private:
  friend class LayerScope;
  std::vector<Parameter> parameters_;
  std::uint64_t seed_;
  Dtype dtype_;
};

/// A place in the tree of names. A layer takes one in its constructor, as a LayerScope, and creates
/// its parameters in it. Refers to the set: keep it no longer than the set stands still.
class Scope {
 public:
  /// Draws an initial value for `shape`; `seed` differs for every parameter name.
  using Initializer = std::function<Tensor(const Shape& shape, std::uint64_t seed)>;

  Scope(ParameterSet& set, std::string prefix) : set_(&set), prefix_(std::move(prefix)) {}

  /// The scope below this one.
  Scope operator/(std::string_view name) const { return {*set_, full_name(name)}; }
  /// Creates and registers a parameter. The initial value depends on the set's seed and the full
  /// name only, not on the order of creation.
  Parameter parameter(std::string_view name, const Shape& shape,
                      const Initializer& initializer) const;
  std::string full_name(std::string_view name) const;
  ParameterSet& set() const { return *set_; }

 private:
  ParameterSet* set_;
  std::string prefix_;
};

/// A Scope as the argument of a layer's constructor. If that throws, the set forgets what was
/// created since and is held by nobody else: the parameters of the half-made layer, whose names are
/// then free for another try. Refers to the Scope: for the duration of a call, by whose statement
/// it is made.
class LayerScope {
 public:
  LayerScope(const Scope& scope);  // NOLINT(google-explicit-constructor)
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

  operator const Scope&() const { return scope_; }  // NOLINT(google-explicit-constructor)
  // As those of Scope.
  Scope operator/(std::string_view name) const { return scope_ / name; }
  Parameter parameter(std::string_view name, const Shape& shape,
                      const Scope::Initializer& initializer) const {
    return scope_.parameter(name, shape, initializer);
  }
  std::string full_name(std::string_view name) const { return scope_.full_name(name); }
  ParameterSet& set() const { return scope_.set(); }

 private:
  const Scope& scope_;
  std::size_t before_;
  int exceptions_;
};

}  // namespace unroll
