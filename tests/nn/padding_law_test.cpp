// The padding law, for everything that reads ragged batches: what the pads hold changes no bit,
// their gradient is exactly 0, a batch is its sequences one by one, and their order is theirs.
#include <cmath>
#include <numeric>

#include <unroll/tests/nn/sequence_run.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/support/thoroughness.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

bool near(double a, double b, double tolerance) {
  return a == b || (std::isnan(a) && std::isnan(b)) ||
         (std::isfinite(a) && std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a)));
}
bool near(const Tensor& a, const Tensor& b, double tolerance) {
  if (a.shape() != b.shape()) return false;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (!near(a.at(i), b.at(i), tolerance)) return false;
  }
  return true;
}

/// The elements of sequence b in a result or a side: those of its real steps, if it has steps.
std::vector<double> of_sequence(const Tensor& x, const Ragged* side, std::int64_t b) {
  const int axis = side != nullptr ? 1 : 0;
  const std::int64_t inner = x.shape().product(axis + 1, x.shape().rank());
  const std::int64_t steps =
      side != nullptr ? side->lengths[static_cast<std::size_t>(b)] : std::int64_t{1};
  std::vector<double> found;
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t i = 0; i < inner; ++i) {
      found.push_back(x.at((t * x.shape()[axis] + b) * inner + i));
    }
  }
  return found;
}
bool near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  return std::ranges::equal(a, b, [=](double x, double y) { return near(x, y, tolerance); });
}

/// Is the gradient of one side exactly 0 in the pads?
bool zero_in_pads(const Tensor& gradient, const Ragged& side) {
  for (std::int64_t i = 0; i < gradient.size(); ++i) {
    const std::int64_t row = i / kWidth;
    if (!side.real(row / side.batch(), row % side.batch()) && gradient.at(i) != 0) return false;
  }
  return true;
}

void check_pads(const SequenceRun& clean, const SequenceRun& poisoned, const RaggedPair& batch) {
  REQUIRE(clean.values.size() == poisoned.values.size());
  for (std::size_t k = 0; k < clean.values.size(); ++k) {
    INFO("result " << k);
    CHECK(clean.values[k].identical(poisoned.values[k]));
  }
  for (std::size_t i = 0; i < clean.gradients.size(); ++i) {
    INFO("parameter " << i);
    CHECK(clean.gradients[i].identical(poisoned.gradients[i]));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    INFO("inputs " << i);
    CHECK(clean.sides[i].identical(poisoned.sides[i]));
    CHECK(zero_in_pads(clean.sides[i], i == 0 ? batch.in : batch.out));
  }
}

/// Sequence `which[k]` of the whole batch is sequence k of the part.
void check_part(const SequenceRun& whole, const SequenceRun& part,
                std::span<const std::size_t> which, double tolerance) {
  REQUIRE(whole.values.size() == part.values.size());
  for (std::size_t k = 0; k < which.size(); ++k) {
    INFO("sequence " << which[k]);
    const auto from = static_cast<std::int64_t>(which[k]), to = static_cast<std::int64_t>(k);
    for (std::size_t r = 0; r < whole.values.size(); ++r) {
      INFO("result " << r);
      CHECK(near(of_sequence(whole.values[r], whole.results[r].side, from),
                 of_sequence(part.values[r], part.results[r].side, to), tolerance));
    }
  }
}

class PaddingLaw {
 public:
  PaddingLaw(const SequenceModel& model, Dtype dtype)
      : model_(model),
        parameters_(9, dtype),
        function_(model.make(parameters_.scope())),
        tolerance_(dtype == Dtype::float32 ? 2e-4 : 1e-10) {}

  void check(const RaggedPair& batch) const {
    const SequenceRun clean = of(batch);
    check_pads(clean, of(batch.poisoned()), batch);
    if (model_.random) return;

    std::vector<std::size_t> order(batch.in.keys.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::reverse(order);
    if (order.size() > 2) std::swap(order[0], order[1]);
    const RaggedPair reordered = batch.picked(order, false);
    const SequenceRun other = of(reordered);
    check_part(clean, other, order, tolerance_);
    check_sum(clean, {other});
    check_sides(clean, other, batch, reordered, order);

    std::vector<SequenceRun> alone;
    for (std::size_t b = 0; b < order.size(); ++b) {
      const std::array which{b};
      const RaggedPair one = batch.picked(which, true);
      alone.push_back(of(one));
      check_part(clean, alone.back(), which, tolerance_);
      check_sides(clean, alone.back(), batch, one, which);
    }
    check_sum(clean, alone);
  }

 private:
  SequenceRun of(const RaggedPair& batch) const {
    return run(model_, function_, parameters_, batch);
  }
  /// The gradients of the batch are those of its parts together.
  void check_sum(const SequenceRun& whole, const std::vector<SequenceRun>& parts) const {
    for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
      INFO("parameter " << parameters_[i].name());
      Tensor total(whole.gradients[i].shape(), Dtype::float64);
      const auto out = total.mutable_data<double>();
      for (const SequenceRun& part : parts) {
        for (std::size_t k = 0; k < out.size(); ++k) {
          out[k] += part.gradients[i].at(static_cast<std::int64_t>(k));
        }
      }
      CHECK(near(whole.gradients[i], total, tolerance_));
    }
  }
  void check_sides(const SequenceRun& whole, const SequenceRun& part, const RaggedPair& batch,
                   const RaggedPair& of_part, std::span<const std::size_t> which) const {
    for (std::size_t k = 0; k < which.size(); ++k) {
      const auto from = static_cast<std::int64_t>(which[k]), to = static_cast<std::int64_t>(k);
      for (std::size_t i = 0; i < 2; ++i) {
        INFO("gradient of inputs " << i << " of sequence " << from);
        CHECK(near(of_sequence(whole.sides[i], i == 0 ? &batch.in : &batch.out, from),
                   of_sequence(part.sides[i], i == 0 ? &of_part.in : &of_part.out, to),
                   tolerance_));
      }
    }
  }

  const SequenceModel& model_;
  ParameterSet parameters_;
  SequenceFunction function_;
  double tolerance_;
};

}  // namespace

TEST_CASE("the padding law holds for every model of sequences", "[nn][padding]") {
  const auto batches = static_cast<std::uint64_t>(cases(5, 30));
  std::size_t checked = 0;
  for (const SequenceModel& model : sequence_models()) {
    for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
      const PaddingLaw law(model, dtype);
      for (std::uint64_t k = 0; k < batches; ++k) {
        const std::uint64_t seed = 1000 * checked + k;
        const RaggedPair batch = random_ragged(seed);
        INFO(model.name << ", " << name_of(dtype) << ", batch " << seed << ": [" << batch.in.steps
                        << ", " << batch.in.batch() << "], [" << batch.out.steps << ", "
                        << batch.out.batch() << "]");
        law.check(batch);
        ++checked;
      }
    }
  }
  CHECK(checked >= cases(1000U, 6000U));
}
