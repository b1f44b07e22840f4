// Samples of the ops that are not pointwise, over lists of shapes, for the checks of all ops.
#include <algorithm>
#include <numeric>

#include <unroll/nn/ctc.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/indexing.h>
#include <unroll/ops/linear_algebra.h>
#include <unroll/ops/losses.h>
#include <unroll/ops/reductions.h>
#include <unroll/ops/shaping.h>
#include <unroll/ops/softmax.h>
#include <unroll/tests/support/samples.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

using Inputs = std::span<const Variable>;

const Domain kNumbers{}, kExponents{.large = 15}, kNotNearZero{.least = 0.1, .tiny = 1e-2};

/// Ids in [0, bound) that cover it and repeat.
Tensor ids(const Shape& shape, std::int64_t bound, std::int32_t first = 0) {
  Tensor result(shape, Dtype::int32);
  std::int32_t next = first;
  for (std::int32_t& id : result.mutable_data<std::int32_t>()) {
    id = next;
    next = static_cast<std::int32_t>((next + 2) % std::max<std::int64_t>(bound, 1));
  }
  return result;
}

// **** reductions ****

const InputLists kEverywhere = each(kNumbers), kExponential = each(kExponents),
                 kElements = each(full_shapes()), kLengths = each(full_shapes(), kNotNearZero);

const Samples kSum{"sum", [](Inputs x) { return sum(x[0]); }, kEverywhere};
const Samples kSumFirst{"sum", [](Inputs x) { return sum(x[0], 0); }, each(matrix_shapes())};
const Samples kSumEmpty{"sum",
                        [](Inputs x) {
                          return sum(x[0], {0, -1}, true);
                        },
                        each(join(matrix_shapes(), empty_matrix_shapes()))};
const Samples kMean{"sum", [](Inputs x) { return mean(x[0], -2); }, each(matrix_shapes())};
const Samples kMaxOfAll{"max", [](Inputs x) { return max(x[0], {}); }, kElements};
const Samples kMaxOfFirst{"max", [](Inputs x) { return max(x[0], 0); }, each(matrix_shapes())};
const Samples kMinOfAll{"min", [](Inputs x) { return min(x[0], {}, true); }, kElements};
const Samples kMinOfLast{"min", [](Inputs x) { return min(x[0], -1); }, each(matrix_shapes())};
const Samples kLogSumExp{"logsumexp", [](Inputs x) { return logsumexp(x[0], {}); }, kExponential};
const Samples kLogSumExpOfLast{"logsumexp", [](Inputs x) { return logsumexp(x[0], -1); },
                               each(matrix_shapes())};
const Samples kVar{"var", [](Inputs x) { return var(x[0], {}, 0); }, kElements};
const Samples kVarOfFirst{"var", [](Inputs x) { return var(x[0], 0, 0.5); }, each(matrix_shapes())};
const Samples kNorm{"norm", [](Inputs x) { return norm(x[0]); }, kLengths};
const Samples kNormOfLast{"norm", [](Inputs x) { return norm(x[0], -1, true); },
                          each(matrix_shapes(), kNotNearZero)};
const Samples kCumsum{"cumsum", [](Inputs x) { return cumsum(x[0], -1); },
                      each(join(join(matrix_shapes(), empty_matrix_shapes()), {{0}, {1}, {4}}))};

// **** shaping ****

const std::vector<Shape> kMatrices = join(matrix_shapes(), empty_matrix_shapes());

const Samples kReshape{"reshape",
                       [](Inputs x) { return square(reshape(x[0], x[0].shape().inserted(0, 1))); },
                       kEverywhere};
const Samples kFlat{"reshape", [](Inputs x) { return reshape(x[0], {-1}); }, kElements};
const Samples kExpand{"expand",
                      [](Inputs x) {
                        return expand(x[0], broadcast(x[0].shape(), Shape{2, 3, 2, 3, 2}));
                      },
                      each({{},
                            {1},
                            {2},
                            {1, 1},
                            {3, 1},
                            {1, 2},
                            {3, 2},
                            {1, 3, 1},
                            {2, 3, 2},
                            {2, 1, 1},
                            {1, 1, 2},
                            {2, 3, 2, 3, 2}})};
const Samples kTranspose{"permute", [](Inputs x) { return transpose(x[0]); }, each(kMatrices)};
const Samples kReversedAxes{"permute",
                            [](Inputs x) {
                              std::vector<int> order(static_cast<std::size_t>(x[0].shape().rank()));
                              std::iota(order.rbegin(), order.rend(), 0);
                              return permute(x[0], order);
                            },
                            kEverywhere};
const Samples kSliceLast{"slice", [](Inputs x) { return slice(x[0], -1, 1, 3); }, each(kMatrices)};
const Samples kSliceFirst{"slice", [](Inputs x) { return slice(x[0], 0, 0, -1); }, each(kMatrices)};
const Samples kSliceSteps{"slice", [](Inputs x) { return slice(x[0], 1, 0, 9, 2); },
                          each(kMatrices)};
const Samples kSelectLast{"select", [](Inputs x) { return select(x[0], -1, -1); },
                          each(matrix_shapes())};
const Samples kSelectFirst{"select", [](Inputs x) { return select(x[0], 0, 0); },
                           each(matrix_shapes())};
const Samples kPad{"pad", [](Inputs x) { return pad(x[0], 0, 2, 1, -3); }, each(kMatrices)};
const Samples kFlip{"flip", [](Inputs x) { return flip(x[0], 1); }, each(kMatrices)};
const InputLists kParts = equal_pairs(kMatrices);
const Samples kConcatParts{"concat",
                           [](Inputs x) {
                             const Variable a = reshape(x[0], {-1}), b = reshape(x[1], {-1});
                             return concat({a, slice(b, 0, 0, 1), a}, 0);
                           },
                           equal_pairs(all_shapes())};
const Samples kConcat{"concat", [](Inputs x) { return concat(x, -1); },
                      equal_pairs({{2, 3}, {0, 3}, {2, 2, 1}, {2, 0}})};
const Samples kStack{"stack", [](Inputs x) { return stack(x, -1); }, kParts};

// **** products ****

InputLists affine_inputs() {
  InputLists lists;
  for (const std::int64_t in : {3, 1, 0}) {
    for (const std::int64_t out : {2, 1, 0}) {
      for (const Shape& rows : {Shape{2}, Shape{2, 2}, Shape{1}, Shape{0}, Shape{}}) {
        lists.push_back({uniform(rows.inserted(rows.rank(), in)), uniform({in, out}),
                         uniform({out}, -100, 100)});
      }
    }
  }
  return lists;
}
const Samples kAffine{"affine", [](Inputs x) { return affine(x[0], x[1], x[2]); }, affine_inputs()};
const Samples kSquareProduct{
    "matmul", [](Inputs x) { return matmul(x[0], x[1]); },
    equal_pairs({{1}, {3}, {0}, {1, 1}, {2, 2}, {0, 0}, {2, 2, 2}, {2, 1, 1}}, {}, {.most = 50})};
const Samples kLinear{"matmul", [](Inputs x) { return linear(x[0], x[1]); },
                      equal_pairs({{2, 3}, {1, 3}, {3, 1}, {1, 1}, {2, 0}, {0, 2}})};

// **** indices ****

InputLists with_ids(const std::vector<Shape>& shapes, const std::vector<Shape>& id_shapes) {
  InputLists lists;
  for (const Shape& shape : shapes) {
    for (const Shape& of_ids : id_shapes) {
      lists.push_back({uniform(shape), ids(of_ids, shape[0], 1 % static_cast<int>(shape[0]))});
    }
  }
  return lists;
}
const Samples kRows{"rows", [](Inputs x) { return rows(x[0], x[1]); },
                    with_ids({{3, 2}, {1, 1}}, {{}, {5}, {2, 2}, {0}})};
const Samples kTakeRows{"take_rows", [](Inputs x) { return take_rows(x[0], x[1]); },
                        with_ids({{3, 2}, {1}, {4}, {2, 2, 2}}, {{}, {5}, {2, 2}, {0}})};
InputLists gathered(bool with_source) {
  InputLists lists;
  for (const Shape& shape : join(matrix_shapes(), {{4}, {1}, {3, 0}})) {
    for (const std::int64_t count : {1, 3}) {
      const Shape picked = shape.with(0, count);
      lists.push_back({uniform(shape), ids(picked, shape[0])});
      if (with_source) lists.back().push_back(uniform(picked));
    }
  }
  return lists;
}
const Samples kGather{"gather", [](Inputs x) { return gather(x[0], 0, x[1]); }, gathered(false)};
const Samples kScatterAdd{"scatter_add", [](Inputs x) { return scatter_add(x[0], 0, x[1], x[2]); },
                          gathered(true)};

// **** softmax and losses ****

const Samples kSoftmax{"softmax", [](Inputs x) { return softmax(x[0], 0); }, each(kMatrices)};
const Samples kLogSoftmax{"log_softmax", [](Inputs x) { return log_softmax(x[0]); },
                          each(join(kMatrices, {{1}, {3}, {0}}), {.most = 20})};
InputLists masked_rows() {
  InputLists lists;
  for (const Shape& shape : kMatrices) {
    Tensor mask(shape, Dtype::bool_);
    for (std::int64_t i = 0; i < mask.size(); ++i) {
      mask.mutable_data<bool>()[static_cast<std::size_t>(i)] = i % 3 != 1;
    }
    lists.push_back({uniform(shape), mask});
  }
  return lists;
}
const Samples kMaskedSoftmax{"masked_softmax", [](Inputs x) { return masked_softmax(x[0], x[1]); },
                             masked_rows()};
InputLists normalized_rows() {
  InputLists lists;
  for (const Shape& shape : kMatrices) {
    const std::int64_t width = shape.extent(-1);
    lists.push_back({uniform(shape, -20, 20), uniform({width}), uniform({width})});
  }
  return lists;
}
const Samples kLayerNorm{"layer_norm", [](Inputs x) { return layer_norm(x[0], x[1], x[2], 0.3); },
                         normalized_rows()};
InputLists classified() {
  InputLists lists;
  for (const Shape& shape : join(matrix_shapes(), {{3}, {1}, {0, 3}})) {
    Tensor targets = ids(shape.without(shape.rank() - 1), shape.extent(-1));
    lists.push_back({uniform(shape, -10, 10), targets});
    if (targets.size() > 1) targets.mutable_data<std::int32_t>()[1] = -100;
    lists.push_back({uniform(shape), targets});
  }
  return lists;
}
const Samples kCrossEntropy{
    "cross_entropy",
    [](Inputs x) {
      return cross_entropy(x[0], x[1], {.label_smoothing = 0.1, .reduction = Reduction::sum});
    },
    classified()};

const Domain kTargets{0.1, 0.9, false, 0.1, 0.9}, kUpper{3, 4, false, 1e-3, 2e3},
    kFar{.least = 0.01, .large = 10};
const std::vector<Shape> kShapes = all_shapes();
const Samples kMse{"mse_loss", [](Inputs x) { return mse_loss(x[0], x[1], Reduction::none); },
                   join(equal_pairs(kShapes), extremes({}, {}))};
const Samples kMseMean{"mse_loss", [](Inputs x) { return mse_loss(x[0], x[1]); },
                       equal_pairs(full_shapes())};
const Samples kL1{"l1_loss", [](Inputs x) { return l1_loss(x[0], x[1], Reduction::sum); },
                  join(equal_pairs(kShapes, kNumbers, kUpper), extremes(kNumbers, kUpper))};
const Samples kHuber{
    "huber_loss", [](Inputs x) { return huber_loss(x[0], x[1], 0.5, Reduction::none); },
    join(equal_pairs(kShapes, {.most = 0.4}, kUpper), extremes({.most = 0.4}, kUpper))};
const Samples kBinary{"binary_cross_entropy",
                      [](Inputs x) { return binary_cross_entropy(x[0], x[1], Reduction::none); },
                      join(equal_pairs(kShapes, kFar, kTargets), extremes(kFar, kTargets))};
const Samples kKl{"kl_divergence",
                  [](Inputs x) { return kl_divergence(x[0], x[1], Reduction::none); },
                  equal_pairs(join(kMatrices, {{0}, {1}, {4}}), kNumbers, kTargets),
                  {.shared = 1}};

InputLists log_probabilities() {
  InputLists lists;
  for (const std::int64_t steps : {2, 3, 4, 6}) {
    for (const std::int64_t classes : {2, 3, 5}) lists.push_back({uniform({steps, 2, classes})});
  }
  return lists;
}
const Samples kLogAddExp{"ctc.log_add_exp",
                         [](Inputs x) {
                           return nn::ctc_loss(
                               x[0], Tensor(Shape{2, 2}, {1, 1, 1, 0}),
                               {.target_lengths = {1, 1}, .reduction = Reduction::none});
                         },
                         log_probabilities()};

}  // namespace
