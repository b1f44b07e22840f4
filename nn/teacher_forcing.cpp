// Choices between true and own tokens. An own one is drawn as the largest of the logits with
// independent Gumbel noise, -log(-log u), which has the probabilities of the softmax.
#include <unroll/nn/teacher_forcing.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <unroll/autograd/random.h>
#include <unroll/ops/dropout.h>
#include <unroll/ops/elementwise.h>
#include <unroll/ops/reductions.h>

namespace unroll::nn {

namespace {

Tensor gumbel_noise(const Shape& shape, std::uint64_t key, Dtype dtype) {
  Tensor noise = random_uniform(shape, key, 0, 1);
  for (double& u : noise.mutable_data<double>()) u = -std::log(-std::log(std::max(u, 1e-300)));
  return noise.to(dtype);
}

}  // namespace

bool is_sampling(const Variable& on_tape_of, const ScheduledSampling& sampling) {
  if (!(sampling.probability >= 0 && sampling.probability <= 1)) {
    throw ValueError(fmt::format("scheduled sampling: got a probability of {}; expected 0 to 1",
                                 sampling.probability));
  }
  return sampling.probability > 0 && (sampling.in_evaluation || in_training(on_tape_of));
}

Variable next_tokens(const Variable& truth, const Variable& logits,
                     const ScheduledSampling& sampling) {
  if (!is_sampling(logits, sampling)) return truth;
  const Shape shape = logits.shape();
  Variable scores = detach(logits);
  if (sampling.draw) {
    const std::uint64_t key = next_random_key(logits);
    scores = scores + input_like(logits, gumbel_noise(shape, key, logits.dtype()));
  }
  const Tensor places = random_uniform(truth.shape(), next_random_key(logits), 0, 1);
  Tensor is_own(truth.shape(), Dtype::bool_);
  std::ranges::transform(places.data<double>(), is_own.mutable_data<bool>().begin(),
                         [&](double place) { return place < sampling.probability; });
  return where(input_like(logits, is_own), argmax(scores, -1), truth);
}

double inverse_sigmoid_schedule(std::int64_t step, double k) {
  if (!(k >= 1)) {
    throw ValueError(fmt::format("inverse_sigmoid_schedule: got k {}; expected 1 or more", k));
  }
  return 1 - k / (k + std::exp(static_cast<double>(step) / k));
}

}  // namespace unroll::nn
