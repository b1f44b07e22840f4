// A weight that is used any number of times gets what as many weights of one use get together.
// All numbers are small and whole, so that sums are exact in every order.
#include <unroll/autograd/gradients.h>
#include <unroll/autograd/random.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/tests/autograd/pass_law.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr int kMostUses = 32;
constexpr std::int64_t kSize = 3;

Tensor whole_numbers(const Shape& shape, std::uint64_t seed, Dtype dtype) {
  Tensor result(shape, Dtype::float64);
  Random random(seed);
  for (double& x : result.mutable_data<double>()) x = static_cast<double>(random.below(5)) - 2;
  return result.to(dtype);
}

/// What a model makes of one weight [size, size] and one input [size, size] per step.
using Model = std::function<Variable(const Variables& weights, const Variables& inputs)>;
using Step = Variable (*)(const Variable& weight, const Variable& x);
using V = const Variable&;

Model summed(Step step) {
  return [step](const Variables& w, const Variables& x) {
    Variable total = step(w[0], x[0]);
    for (std::size_t t = 1; t < w.size(); ++t) total = total + step(w[t], x[t]);
    return total;
  };
}
/// h' = step(w, h) + x
Model chained(Step step) {
  return [step](const Variables& w, const Variables& x) {
    Variable h = x[0];
    for (std::size_t t = 0; t < w.size(); ++t) h = step(w[t], h) + x[t];
    return h;
  };
}
Variable looked_up(V w, V x) { return rows(w, argmax(x, 1)) * x; }

const std::vector<std::pair<const char*, Model>> kModels{
    {"sums", summed([](V w, V x) { return w + x; })},
    {"differences", summed([](V w, V x) { return x - w; })},
    {"pointwise products", summed([](V w, V x) { return w * x; })},
    {"squares", summed([](V w, V x) { return w * x * w; })},
    {"broadcast rows", summed([](V w, V x) { return select(w, 0, 1) * x; })},
    {"broadcast columns", summed([](V w, V x) { return slice(w, 1, 1, 2) + x; })},
    {"products", summed([](V w, V x) { return matmul(x, w); })},
    {"products from the left", summed([](V w, V x) { return matmul(w, x); })},
    {"transposed products", summed([](V w, V x) { return matmul(x, transpose(w)); })},
    {"biases", summed([](V w, V x) { return affine(x, transpose(x), select(w, 0, 0)); })},
    {"choices", summed([](V w, V x) { return where(x > 0.0, w, x); })},
    {"looked-up rows", summed(looked_up)},
    {"joins", [](const Variables& w, const Variables& x) { return concat(w, 0) * concat(x, 0); }},
    {"a chain of products", chained([](V w, V h) { return matmul(h, w); })},
    {"a chain of transposed products", chained([](V w, V h) { return matmul(h, transpose(w)); })},
    {"a pointwise chain", chained([](V w, V h) { return w * h; })},
};

/// The gradient by the one weight that all steps share, and by one weight for each step.
struct WeightGradient {
  Tensor shared, separate;
};
WeightGradient gradients_of(const Model& model, int uses, Dtype dtype, const TapeOptions& options) {
  ParameterSet parameters(0, dtype);
  // A permutation with signs: chains do not grow.
  const Tensor value = Tensor(Shape{kSize, kSize}, {0., 1., 0., 0., 0., -1., 1., 0., 0.}).to(dtype);
  for (int t = 0; t <= uses; ++t) parameters.create("w" + std::to_string(t), value);
  const auto by_weights = [&](bool shared) {
    Tape tape(options);
    Variables w, x;
    for (int t = 0; t < uses; ++t) {
      w.push_back(tape.use(
          parameters[shared ? static_cast<std::size_t>(uses) : static_cast<std::size_t>(t)]));
      x.push_back(
          tape.input(whole_numbers({kSize, kSize}, static_cast<std::uint64_t>(t) + 1, dtype)));
    }
    const Variable y = model(w, x);
    return gradients(sum(y * tape.input(whole_numbers(y.shape(), 99, dtype))), parameters);
  };
  const Gradients shared = by_weights(true), separate = by_weights(false);
  Tape tape;
  const Variable zero = tape.constant(0, dtype, value.shape());  // 0 + -0 = 0
  Variable total = zero;
  for (int t = 0; t < uses; ++t) {
    total = total + tape.input(separate[parameters[static_cast<std::size_t>(t)]]);
  }
  const Tensor found = shared[parameters[static_cast<std::size_t>(uses)]];
  return {(zero + tape.input(found)).value(), total.value()};
}

}  // namespace

TEST_CASE("A weight that is used 1 to 32 times gets the sum of all uses", "[autograd]") {
  std::vector<TapeOptions> all = some_options();
  all.push_back({.eager = true});
  int checked = 0;
  for (const auto& [name, model] : kModels) {
    for (int uses = 1; uses <= kMostUses; ++uses) {
      for (std::size_t k = 0; k < all.size(); ++k) {
        // All passes and eager always, the others in turn.
        const bool always = k == 0 || k + 1 == all.size();
        if (!always && !all_tests() && static_cast<std::size_t>(uses) % all.size() != k) continue;
        for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
          INFO(name << ", " << uses << " uses, " << name_of(dtype) << ", " << to_string(all[k]));
          const WeightGradient found = gradients_of(model, uses, dtype, all[k]);
          CHECK(found.shared.identical(found.separate));
          ++checked;
        }
      }
    }
  }
  CHECK(checked >= cases(2500, 15000));
}
