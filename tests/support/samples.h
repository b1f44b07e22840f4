// Samples: example calls of every op, from which the all-ops test makes gradient checks.
#pragma once

#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/autograd/gradcheck.h>
#include <unroll/autograd/random.h>

namespace unroll::testing {

/// One way to call an op, and inputs to check its gradient at.
struct Sample {
  std::string op;
  Function call;
  std::vector<Tensor> inputs;
  bool second_order = true;
  std::size_t shared = 0;
};

/// Every sample registered so far; registration happens at namespace scope of the test files.
inline std::vector<Sample>& all_samples() {
  static std::vector<Sample> samples;
  return samples;
}

/// Ops that have no derivative, and why.
inline std::vector<std::pair<std::string, std::string>>& ops_without_gradient() {
  static std::vector<std::pair<std::string, std::string>> ops;
  return ops;
}

struct SampleOptions {
  bool second_order = true;
  std::size_t shared = 0;  ///< the input that may stand for others of its shape, too
};

using InputLists = std::vector<std::vector<Tensor>>;

/// Registers samples of `op`: one call, several lists of inputs.
struct Samples {
  Samples(const std::string& op, const Function& call, const InputLists& inputs,
          SampleOptions options = {}) {
    for (const auto& list : inputs) {
      all_samples().push_back({op, call, list, options.second_order, options.shared});
    }
  }
};

struct NoGradientOp {
  NoGradientOp(const std::string& op, const std::string& reason) {
    ops_without_gradient().emplace_back(op, reason);
  }
};

/// Different numbers at every call, uniform in [low, high), float64.
inline Tensor uniform(const Shape& shape, double low = -2, double high = 2) {
  static std::uint64_t seed = 1000;
  return random_uniform(shape, ++seed, low, high);
}

/// Like `uniform`, but no element is nearer than `gap` to 0: for ops with a kink there.
inline Tensor away_from_zero(const Shape& shape, double gap = 0.1, double high = 2) {
  Tensor result = uniform(shape, gap, high);
  const Tensor signs = uniform(shape);
  auto out = result.mutable_data<double>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (signs.data<double>()[i] < 0) out[i] = -out[i];
  }
  return result;
}

/// Where an op is tried: at numbers of size `least` to `most`, and at single ones of size `tiny`
/// and `large`.
struct Domain {
  double least = 0, most = 2;
  bool negative = true;
  double tiny = 1e-6, large = 1e3;

  Tensor draw(const Shape& shape) const { return draw(shape, least, most); }
  Tensor draw_tiny() const { return draw({}, tiny / 2, tiny); }
  Tensor draw_large() const { return draw({}, large / 2, large); }

 private:
  Tensor draw(const Shape& shape, double low, double high) const {
    return negative ? away_from_zero(shape, low, high) : uniform(shape, low, high);
  }
};

template <class T>
std::vector<T> join(std::vector<T> a, const std::type_identity_t<std::vector<T>>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
/// Shapes up to rank 4 with all their elements, and empty ones.
inline std::vector<Shape> matrix_shapes() {
  return {{2, 3}, {1, 3}, {3, 1}, {1, 1}, {2, 3, 2}, {1, 2, 3}, {2, 1, 2}, {2, 1, 3, 2}};
}
inline std::vector<Shape> empty_matrix_shapes() { return {{0, 3}, {2, 0}, {0, 0}, {2, 0, 2}}; }
inline std::vector<Shape> full_shapes() { return join(matrix_shapes(), {{}, {1}, {3}}); }
inline std::vector<Shape> all_shapes() {
  return join(join(full_shapes(), {{0}}), empty_matrix_shapes());
}

/// One operand of each shape.
inline InputLists each(const std::vector<Shape>& shapes, const Domain& domain = {}) {
  InputLists lists;
  for (const Shape& shape : shapes) lists.push_back({domain.draw(shape)});
  return lists;
}
/// The same, of all shapes, and tiny and large ones.
inline InputLists each(const Domain& domain) {
  InputLists lists = each(all_shapes(), domain);
  lists.push_back({domain.draw_tiny()});
  lists.push_back({domain.draw_large()});
  return lists;
}

/// The shapes of two operands in every way to broadcast up to rank 3, where each extent is that of
/// both, or 1 in one of them; and of different ranks, and empty.
inline std::vector<std::pair<Shape, Shape>> broadcast_shapes() {
  std::vector<std::pair<Shape, Shape>> result{
      {{}, {}},         {{}, {2, 3}},     {{2, 3}, {}},     {{3}, {2, 3}},
      {{2, 3}, {3}},    {{3}, {2, 1}},    {{2, 2, 3}, {3}}, {{1}, {2, 1, 2}},
      {{0, 3}, {1, 3}}, {{2, 1}, {2, 0}}, {{0}, {}},        {{1, 2}, {0, 2, 1, 1}}};
  for (const Shape& full : {Shape{3}, Shape{3, 2}, Shape{2, 3, 2}}) {
    const auto patterns = static_cast<int>(std::pow(3, full.rank()));
    for (int pattern = 0; pattern < patterns; ++pattern) {
      Shape left = full, right = full;
      for (int axis = 0, rest = pattern; axis < full.rank(); ++axis, rest /= 3) {
        if (rest % 3 == 1) left = left.with(axis, 1);
        if (rest % 3 == 2) right = right.with(axis, 1);
      }
      result.emplace_back(left, right);
    }
  }
  return result;
}

/// Two tiny or large operands.
inline InputLists extremes(const Domain& a, const Domain& b) {
  return {{a.draw_tiny(), b.draw_tiny()},
          {a.draw_large(), b.draw_large()},
          {a.draw_large(), b.draw_tiny()},
          {a.draw_tiny(), b.draw_large()}};
}
/// Two operands of such shapes, and tiny and large ones.
inline InputLists pairs(const Domain& a = {}, const Domain& b = {}) {
  InputLists lists = extremes(a, b);
  for (const auto& [left, right] : broadcast_shapes()) {
    lists.push_back({a.draw(left), b.draw(right)});
  }
  return lists;
}
/// Two operands of one shape each.
inline InputLists equal_pairs(const std::vector<Shape>& shapes, const Domain& a = {},
                              const Domain& b = {}) {
  InputLists lists;
  for (const Shape& shape : shapes) lists.push_back({a.draw(shape), b.draw(shape)});
  return lists;
}

}  // namespace unroll::testing
