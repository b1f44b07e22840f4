// One run of a sequence model over a ragged batch: what it gives, and the gradients of a loss in
// which every element counts differently, those of the pads included.
#pragma once

#include <utility>
#include <vector>

#include <unroll/autograd/gradients.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>
#include <unroll/tests/nn/sequence_models.h>

namespace unroll::testing {

/// The number of the sequence and of the place in it that element i of a result belongs to.
inline std::pair<std::int64_t, std::int64_t> place_of(const SequenceResult& result,
                                                      std::int64_t i) {
  const Shape shape = result.value.shape();
  const int axis = result.side != nullptr ? 1 : 0;
  const std::int64_t inner = shape.product(axis + 1, shape.rank());
  const std::int64_t t = axis == 1 ? i / (inner * shape[1]) : 0;
  return {i / inner % shape[axis], t * inner + i % inner};
}

/// The loss over all results of a call.
inline Variable weighed_loss(const SequenceCall& call, const SequenceResults& results) {
  Variable loss = call.tape.constant(0, call.x.dtype());
  for (std::size_t k = 0; k < results.size(); ++k) {
    if (results[k].decoded) continue;
    const Variable& value = results[k].value;
    Tensor weights(value.shape(), Dtype::float64);
    const auto out = weights.mutable_data<double>();
    for (std::int64_t i = 0; i < std::ssize(out); ++i) {
      const auto [b, place] = place_of(results[k], i);
      out[static_cast<std::size_t>(i)] = call.in().number(b, 100 + k, place);
    }
    loss = loss + sum(value * call.tape.input(weights.to(value.dtype())));
  }
  return loss;
}

struct SequenceRun {
  std::vector<Tensor> values;
  std::vector<Tensor> gradients;  ///< by the parameters
  std::vector<Tensor> sides;      ///< by x and y
  SequenceResults results;        ///< shapes and sides; their tape is gone
};

inline SequenceRun run(const SequenceModel& model, const SequenceFunction& function,
                       const ParameterSet& parameters, const RaggedPair& batch) {
  Tape tape({.training = model.random});
  const Dtype dtype = parameters.dtype();
  const SequenceCall call{tape, tape.input(batch.in.values(kWidth, dtype)),
                          tape.input(batch.out.values(kWidth, dtype)), batch};
  SequenceRun result;
  result.results = function(call);
  Variables wrt{call.x, call.y};
  for (const Parameter& p : parameters) wrt.push_back(tape.use(p));
  const Variables loss{weighed_loss(call, result.results)}, one{tape.constant(1, dtype)};
  const Variables found = vector_jacobian_product(loss, one, wrt);
  for (const auto& r : result.results) result.values.push_back(r.value.value());
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    (i < 2 ? result.sides : result.gradients)
        .push_back(found[i].defined() ? found[i].value() : Tensor(wrt[i].shape(), dtype));
  }
  return result;
}

}  // namespace unroll::testing
