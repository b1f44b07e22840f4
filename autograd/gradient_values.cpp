// Gradients as values: sums, scaling, norms, sparse rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <unroll/autograd/error.h>
#include <unroll/autograd/gradients.h>

namespace unroll {

namespace {

template <class F>
void visit_floats(Tensor& tensor, F f) {
  if (tensor.dtype() == Dtype::float32) {
    f(tensor.mutable_data<float>());
  } else {
    f(tensor.mutable_data<double>());
  }
}

template <class F>
void visit_floats(const Tensor& tensor, F f) {
  if (tensor.dtype() == Dtype::float32) {
    f(tensor.data<float>());
  } else {
    f(tensor.data<double>());
  }
}

void add_to(Tensor& sum, const Tensor& addend) {
  visit_floats(sum, [&]<class T>(std::span<T> out) {
    const T* in = addend.data<T>().data();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += in[i];
  });
}

/// table[ids[k]] += rows[k]
void scatter_into(Tensor& table, const SparseRows& sparse) {
  visit_floats(table, [&]<class T>(std::span<T> out) {
    const std::span<const T> in = sparse.rows.data<T>();
    const std::size_t width = sparse.ids.empty() ? 0 : in.size() / sparse.ids.size();
    for (std::size_t k = 0; k < sparse.ids.size(); ++k) {
      T* row = out.data() + static_cast<std::size_t>(sparse.ids[k]) * width;
      for (std::size_t j = 0; j < width; ++j) row[j] += in[k * width + j];
    }
  });
}

SparseRows joined(const SparseRows& a, const SparseRows& b) {
  SparseRows result;
  result.ids = a.ids;
  result.ids.insert(result.ids.end(), b.ids.begin(), b.ids.end());
  result.rows = Tensor::uninitialized(
      a.rows.shape().with(0, static_cast<std::int64_t>(result.ids.size())), a.rows.dtype());
  visit_floats(result.rows, [&]<class T>(std::span<T> out) {
    const auto rest = std::ranges::copy(a.rows.data<T>(), out.begin()).out;
    std::ranges::copy(b.rows.data<T>(), rest);
  });
  return result;
}

}  // namespace

SparseRows coalesced(const SparseRows& sparse) {
  RecycledVector<std::size_t> order(sparse.ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t k) { return std::pair(sparse.ids[k], k); });
  SparseRows result;
  for (const std::size_t k : order) {
    if (result.ids.empty() || result.ids.back() != sparse.ids[k]) {
      result.ids.push_back(sparse.ids[k]);
    }
  }
  const std::int64_t width = sparse.rows.shape().rank() == 2 ? sparse.rows.shape()[1] : 0;
  result.rows =
      Tensor(Shape{static_cast<std::int64_t>(result.ids.size()), width}, sparse.rows.dtype());
  visit_floats(result.rows, [&]<class T>(std::span<T> out) {
    const T* in = sparse.rows.data<T>().data();
    const auto n = static_cast<std::size_t>(width);
    std::size_t row = 0;
    for (const std::size_t k : order) {
      if (result.ids[row] != sparse.ids[k]) ++row;
      for (std::size_t j = 0; j < n; ++j) out[row * n + j] += in[k * n + j];
    }
  });
  return result;
}

Tensor Gradient::to_dense(const Shape& shape, Dtype dtype) const {
  if (dense) return *dense;
  Tensor result(shape, dtype);
  scatter_into(result, sparse);
  return result;
}

Gradients::Gradients(const ParameterSet& parameters)
    : parameters_(parameters.begin(), parameters.end()), entries_(parameters.size()) {}

bool Gradients::contains(const Parameter& parameter) const {
  const std::size_t i = parameter.index();
  return i < parameters_.size() && parameters_[i] == parameter && entries_[i].has_value();
}

Tensor Gradients::operator[](const Parameter& parameter) const {
  const std::size_t i = parameter.index();
  if (i >= parameters_.size() || !(parameters_[i] == parameter)) {
    throw ValueError(fmt::format("Gradients: parameter {} is not of the set that these are for",
                                 parameter.name()));
  }
  if (!entries_[i]) return Tensor(parameter.shape(), parameter.dtype());
  return entries_[i]->to_dense(parameter.shape(), parameter.dtype());
}

void Gradients::add(const Gradients& other, std::size_t i) {
  const std::optional<Gradient>& addend = other.entries_[i];
  if (!addend) return;
  std::optional<Gradient>& sum = entries_[i];
  if (!sum) {
    sum = addend;
  } else if (sum->dense && addend->dense) {
    add_to(*sum->dense, *addend->dense);
  } else if (!sum->dense && !addend->dense) {
    sum->sparse = joined(sum->sparse, addend->sparse);
  } else {
    Tensor dense = sum->to_dense(parameters_[i].shape(), parameters_[i].dtype());
    if (addend->dense) {
      add_to(dense, *addend->dense);
    } else {
      scatter_into(dense, addend->sparse);
    }
    sum = Gradient{std::move(dense), {}};
  }
}

void Gradients::add(const Gradients& other) {
  if (entries_.empty()) {
    *this = other;
    return;
  }
  if (!(parameters_ == other.parameters_)) {
    throw ValueError("Gradients::add: the two are of different parameter sets");
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) add(other, i);
}

void Gradients::scale(double factor) {
  for (auto& entry : entries_) {
    if (!entry) continue;
    visit_floats(entry->dense ? *entry->dense : entry->sparse.rows, [&]<class T>(std::span<T> x) {
      for (T& value : x) value *= static_cast<T>(factor);
    });
  }
}

double Gradients::norm() const {
  double sum = 0;
  for (const auto& entry : entries_) {
    if (!entry) continue;
    const Tensor values = entry->dense ? *entry->dense : coalesced(entry->sparse).rows;
    visit_floats(values, [&](const auto x) {
      // Several running sums let the additions overlap.
      std::array<double, 8> part{};
      for (std::size_t i = 0; i < x.size(); ++i) part[i % 8] += double(x[i]) * double(x[i]);
      sum += std::accumulate(part.begin(), part.end(), 0.0);
    });
  }
  return std::sqrt(sum);
}

bool Gradients::finite() const {
  for (const auto& entry : entries_) {
    if (!entry) continue;
    bool all = true;
    visit_floats(entry->dense ? *entry->dense : entry->sparse.rows, [&](const auto x) {
      for (const auto value : x) all = all && std::isfinite(value);
    });
    if (!all) return false;
  }
  return true;
}

}  // namespace unroll
